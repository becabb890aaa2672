// Sum of two codes of one format, rounded once: the outer adder of a chunk accumulator.
//
// BIAS names the format; an addition does not depend on it.
module fp_sum #(
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire [E+M:0] a,
    input  wire [E+M:0] b,
    output wire [E+M:0] sum
);
    wire b_sign, b_zero, b_inf, b_nan;
    wire signed [X-1:0] b_exp;
    wire [M:0] b_sig;
    fp_unpack #(.E(E), .M(M), .BIAS(0), .SPECIALS(SPECIALS), .NORMALIZE(0),
                .FLUSH(FLUSH), .X(X)) unpack (
        .code(b), .sign(b_sign), .exp(b_exp), .sig(b_sig),
        .is_zero(b_zero), .is_inf(b_inf), .is_nan(b_nan));
    fp_add #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .P(M + 1), .X(X)) add (
        .acc(a), .p_sign(b_sign), .p_exp(b_exp), .p_sig(b_sig),
        .p_zero(b_zero), .p_inf(b_inf), .p_nan(b_nan), .sum(sum));
endmodule
