// Exact product of two unpacked floating-point numbers.
//
// The product's significand has MA + MB + 2 bits with the leading one at the top:
// value = (-1)^sign * sig * 2^(exp - (MA + MB + 1)).
module fp_mul #(
    parameter MA = 2,
    parameter MB = 2,
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
    wire [MA+MB+1:0] raw = a_sig * b_sig;
    wire             top = raw[MA+MB+1];

    assign sign    = a_sign ^ b_sign;
    assign sig     = top ? raw : (raw << 1);
    assign exp     = a_exp + b_exp + $signed({{(X-1){1'b0}}, top});
    assign is_nan  = a_nan | b_nan | (a_inf & b_zero) | (a_zero & b_inf);
    assign is_inf  = (a_inf | b_inf) & ~is_nan;
    assign is_zero = (a_zero | b_zero) & ~is_nan & ~is_inf;
endmodule
