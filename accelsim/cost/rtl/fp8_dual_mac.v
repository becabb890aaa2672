// One multiply-accumulate of 8-bit floats of either kind: sum = round(acc + a * b).
//
// The product is exact.
module fp8_dual_mac #(
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire         a_kind, b_kind,    // 0 e5m2, 1 e4m3fn
    input  wire [7:0]   a,
    input  wire [7:0]   b,
    input  wire [E+M:0] acc,
    output wire [E+M:0] sum
);
    wire p_sign, p_zero, p_inf, p_nan;
    wire signed [X-1:0] p_exp;
    wire [7:0] p_sig;

    fp8_dual_product #(.OFFSET(BIAS), .X(X)) multiply (
        .a_kind(a_kind), .b_kind(b_kind), .a(a), .b(b), .sign(p_sign), .exp(p_exp), .sig(p_sig),
        .is_zero(p_zero), .is_inf(p_inf), .is_nan(p_nan));
    fp_add #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .P(8), .X(X)) add (
        .acc(acc), .p_sign(p_sign), .p_exp(p_exp), .p_sig(p_sig),
        .p_zero(p_zero), .p_inf(p_inf), .p_nan(p_nan), .sum(sum));
endmodule
