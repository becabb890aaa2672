// Processing element for two's complement integers; the sum wraps.
module pe_int #(parameter N = 8, parameter W = 32) (
    input  wire                clk,
    input  wire signed [N-1:0] a,
    input  wire signed [N-1:0] b,
    input  wire signed [W-1:0] acc,
    output reg  signed [W-1:0] sum
);
    reg signed [N-1:0] a_held, b_held;
    wire signed [2*N-1:0] product = a_held * b_held;

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= acc + {{(W-2*N){product[2*N-1]}}, product};
    end
endmodule
