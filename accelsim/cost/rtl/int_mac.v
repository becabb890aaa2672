// One multiply-accumulate of two's complement integers; the sum wraps. W > 2 N.
module int_mac #(parameter N = 8, parameter W = 32) (
    input  wire signed [N-1:0] a,
    input  wire signed [N-1:0] b,
    input  wire signed [W-1:0] acc,
    output wire signed [W-1:0] sum
);
    wire signed [2*N-1:0] product = a * b;
    assign sum = acc + {{(W-2*N){product[2*N-1]}}, product};
endmodule
