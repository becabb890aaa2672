// Processing element for 8-bit floats of both kinds, with its registers: operands, sum.
module pe_fp8_dual #(
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire         clk,
    input  wire         a_kind, b_kind,    // 0 e5m2, 1 e4m3fn; held still over a tile
    input  wire [7:0]   a,
    input  wire [7:0]   b,
    input  wire [E+M:0] acc,
    output reg  [E+M:0] sum
);
    reg  [7:0]   a_held, b_held;
    wire [E+M:0] next;

    fp8_dual_mac #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
                   .FLUSH(FLUSH), .X(X)) mac (
        .a_kind(a_kind), .b_kind(b_kind), .a(a_held), .b(b_held), .acc(acc), .sum(next));

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
