// Multiply-accumulate with a two-level, chunked accumulator.
//
// Every cycle with `valid` adds a * b to the inner sum. With `chunk_end` that sum is
// then added to the outer one, and the inner sum starts again from +0. `first` starts
// both from +0. `total` holds the outer sum of all complete chunks.
module fp_mac_chunk #(
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter FLUSH_A = 0, parameter FLUSH_B = 0,
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire           clk,
    input  wire           valid, first, chunk_end,
    input  wire [EA+MA:0] a,
    input  wire [EB+MB:0] b,
    output reg  [E+M:0]   total
);
    reg  [E+M:0] inner;
    reg          fresh;
    wire [E+M:0] start_inner = (first | fresh) ? {(E+M+1){1'b0}} : inner;
    wire [E+M:0] start_outer = first ? {(E+M+1){1'b0}} : total;
    wire [E+M:0] sum, outer;

    fp_mac #(.EA(EA), .MA(MA), .BIAS_A(BIAS_A), .SPECIALS_A(SPECIALS_A), .FLUSH_A(FLUSH_A),
             .EB(EB), .MB(MB), .BIAS_B(BIAS_B), .SPECIALS_B(SPECIALS_B), .FLUSH_B(FLUSH_B),
             .E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .X(X)) mac (
        .a(a), .b(b), .acc(start_inner), .sum(sum));
    fp_sum #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .X(X)) add (
        .a(start_outer), .b(sum), .sum(outer));

    always @(posedge clk)
        if (valid) begin
            inner <= sum;
            fresh <= chunk_end;
            total <= chunk_end ? outer : start_outer;
        end
endmodule
