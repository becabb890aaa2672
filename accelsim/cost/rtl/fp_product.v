// Exact product of two codes, unpacked: the multiplier of a multiply-accumulate.
//
// value = (-1)^sign * sig * 2^(exp - OFFSET - (MA + MB + 1)), the leading one at the top of
// sig: with the bias of a sum as OFFSET, exp counts as its exponent field does.
// exp and sig mean nothing where one of the flags is set.
//
// TINY: a product of two subnormal numbers counts as zero, as SUBNORMALS of fp_mul says.
module fp_product #(
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter FLUSH_A = 0, parameter FLUSH_B = 0,
    parameter OFFSET = 0, parameter TINY = 0,
    parameter X = 10
) (
    input  wire [EA+MA:0]      a,
    input  wire [EB+MB:0]      b,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [MA+MB+1:0]    sig,
    output wire                is_zero, is_inf, is_nan
);
    localparam SUBNORMALS = (FLUSH_A != 0 && FLUSH_B != 0) ? 0
                          : (FLUSH_A != 0 || FLUSH_B != 0 || TINY != 0) ? 1 : 2;
    wire a_sign, a_zero, a_inf, a_nan, b_sign, b_zero, b_inf, b_nan;
    wire signed [X-1:0] a_exp, b_exp;
    wire [MA:0] a_sig;
    wire [MB:0] b_sig;

    // Without subnormals every significand has its leading one, which costs nothing.
    fp_unpack #(.E(EA), .M(MA), .BIAS(BIAS_A + BIAS_B - OFFSET), .SPECIALS(SPECIALS_A),
                .NORMALIZE(FLUSH_A), .FLUSH(FLUSH_A), .X(X)) unpack_a (
        .code(a), .sign(a_sign), .exp(a_exp), .sig(a_sig),
        .is_zero(a_zero), .is_inf(a_inf), .is_nan(a_nan));
    fp_unpack #(.E(EB), .M(MB), .BIAS(0), .SPECIALS(SPECIALS_B),
                .NORMALIZE(FLUSH_B), .FLUSH(FLUSH_B), .X(X)) unpack_b (
        .code(b), .sign(b_sign), .exp(b_exp), .sig(b_sig),
        .is_zero(b_zero), .is_inf(b_inf), .is_nan(b_nan));
    fp_mul #(.MA(MA), .MB(MB), .SUBNORMALS(SUBNORMALS), .X(X)) multiply (
        .a_sign(a_sign), .a_exp(a_exp), .a_sig(a_sig),
        .a_zero(a_zero), .a_inf(a_inf), .a_nan(a_nan),
        .b_sign(b_sign), .b_exp(b_exp), .b_sig(b_sig),
        .b_zero(b_zero), .b_inf(b_inf), .b_nan(b_nan),
        .sign(sign), .exp(exp), .sig(sig),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan));
endmodule
