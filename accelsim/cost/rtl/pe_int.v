// Processing element for two's complement integers, with its registers: operands, sum.
module pe_int #(parameter N = 8, parameter W = 32) (
    input  wire                clk,
    input  wire signed [N-1:0] a,
    input  wire signed [N-1:0] b,
    input  wire signed [W-1:0] acc,
    output reg  signed [W-1:0] sum
);
    reg  signed [N-1:0] a_held, b_held;
    wire signed [W-1:0] next;
    int_mac #(.N(N), .W(W)) mac (.a(a_held), .b(b_held), .acc(acc), .sum(next));

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
