// Processing element: operand registers, multiplier, rounded adder, accumulator register.
//
// One multiply-accumulate a cycle; operands enter in one cycle and are added in the
// next, to the partial sum that the neighbour (or the element itself) holds out then.
module pe_mac #(
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter FLUSH_A = 0, parameter FLUSH_B = 0,
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter ROUND_PRODUCT = 0,
    parameter X = 10
) (
    input  wire           clk,
    input  wire [EA+MA:0] a,
    input  wire [EB+MB:0] b,
    input  wire [E+M:0]   acc,
    output reg  [E+M:0]   sum
);
    reg  [EA+MA:0] a_held;
    reg  [EB+MB:0] b_held;
    wire [E+M:0]   next;

    fp_mac #(.EA(EA), .MA(MA), .BIAS_A(BIAS_A), .SPECIALS_A(SPECIALS_A), .FLUSH_A(FLUSH_A),
             .EB(EB), .MB(MB), .BIAS_B(BIAS_B), .SPECIALS_B(SPECIALS_B), .FLUSH_B(FLUSH_B),
             .E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .ROUND_PRODUCT(ROUND_PRODUCT), .X(X)) mac (
        .a(a_held), .b(b_held), .acc(acc), .sum(next));

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
