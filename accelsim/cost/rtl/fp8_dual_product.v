// Exact product of two 8-bit floats, each of either kind: 0 e5m2, 1 e4m3fn.
//
// value = (-1)^sign * sig * 2^(exp - OFFSET - 7), the leading one at the top of sig.
// exp and sig mean nothing where one of the flags is set.
module fp8_dual_product #(parameter OFFSET = 0, parameter X = 10) (
    input  wire                a_kind, b_kind,
    input  wire [7:0]          a,
    input  wire [7:0]          b,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [7:0]          sig,
    output wire                is_zero, is_inf, is_nan
);
    wire a_sign, a_zero, a_inf, a_nan, b_sign, b_zero, b_inf, b_nan;
    wire signed [X-1:0] a_exp, b_exp;
    wire [3:0] a_sig, b_sig;

    fp8_unpack_dual #(.OFFSET(OFFSET - 15), .X(X)) unpack_a (.code(a), .kind(a_kind), .sign(a_sign),
        .exp(a_exp), .sig(a_sig), .is_zero(a_zero), .is_inf(a_inf), .is_nan(a_nan));
    fp8_unpack_dual #(.OFFSET(15), .X(X)) unpack_b (.code(b), .kind(b_kind), .sign(b_sign),
        .exp(b_exp), .sig(b_sig), .is_zero(b_zero), .is_inf(b_inf), .is_nan(b_nan));
    fp_mul #(.MA(3), .MB(3), .X(X)) multiply (
        .a_sign(a_sign), .a_exp(a_exp), .a_sig(a_sig),
        .a_zero(a_zero), .a_inf(a_inf), .a_nan(a_nan),
        .b_sign(b_sign), .b_exp(b_exp), .b_sig(b_sig),
        .b_zero(b_zero), .b_inf(b_inf), .b_nan(b_nan),
        .sign(sign), .exp(exp), .sig(sig),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan));
endmodule
