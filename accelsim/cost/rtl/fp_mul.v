// Exact product of two unpacked floating-point numbers, normalised.
//
// The significands of the operands may stand in place, that is without a leading one where
// a number is subnormal. That of the product has MA + MB + 2 bits, the leading one at the
// top: value = (-1)^sign * sig * 2^(exp - (MA + MB + 1)). One normaliser behind the
// multiplier, instead of one before it for each operand, keeps shifters from feeding
// glitches to the multiplier's array.
//
// SUBNORMALS: how many operands may be subnormal. With 1 a product of two subnormal numbers
// counts as zero, as where it is then rounded to a format in which it is less than half the
// smallest number; so fewer leading zeros have to be counted.
module fp_mul #(
    parameter MA = 2,
    parameter MB = 2,
    parameter SUBNORMALS = 2,
    parameter X = 10
) (
    input  wire                a_sign,
    input  wire signed [X-1:0] a_exp,
    input  wire [MA:0]         a_sig,
    input  wire                a_zero, a_inf, a_nan,
    input  wire                b_sign,
    input  wire signed [X-1:0] b_exp,
    input  wire [MB:0]         b_sig,
    input  wire                b_zero, b_inf, b_nan,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [MA+MB+1:0]    sig,
    output wire                is_zero, is_inf, is_nan
);
    // Most leading zeros of a product, and the bits of their count.
    localparam M = (MA > MB) ? MA : MB;
    localparam Z = (SUBNORMALS == 0) ? 1 : (SUBNORMALS == 1) ? M + 1 : MA + MB + 1;
    localparam K = (Z < 2) ? 1 : (Z < 4) ? 2 : (Z < 8) ? 3 : (Z < 16) ? 4 : (Z < 32) ? 5 : 6;

    wire [MA+MB+1:0] raw = a_sig * b_sig;
    wire [K-1:0]     zeros;
    leading_zeros #(.W(Z + 1), .K(K)) count (.word(raw[MA+MB+1 -: Z+1]), .count(zeros));
    wire             none = (SUBNORMALS == 1) & ~a_sig[MA] & ~b_sig[MB];

    assign sign    = a_sign ^ b_sign;
    assign sig     = raw << zeros;
    assign exp     = a_exp + b_exp + 1'b1 - $signed({{(X-K){1'b0}}, zeros});
    assign is_nan  = a_nan | b_nan | (a_inf & b_zero) | (a_zero & b_inf);
    assign is_inf  = (a_inf | b_inf) & ~is_nan;
    assign is_zero = (a_zero | b_zero | none) & ~is_nan & ~is_inf;
endmodule
