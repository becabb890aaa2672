// Round a normalised number of any exponent to the nearest code of a format.
//
// The number is (-1)^sign * sig * 2^(exp - (W - 1)), its leading one at bit W - 1, and
// exp has the format's bias added to it. Below the smallest normal number it first moves
// right, onto the grid of the subnormals; with FLUSH it stays, and becomes zero where it is
// still below when it has been rounded.
module fp_round #(
    parameter E = 6, parameter M = 9,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter W = 14,
    parameter X = 10
) (
    input  wire                sign,
    input  wire signed [X-1:0] exp,
    input  wire [W-1:0]        sig,
    input  wire                is_zero, is_inf, is_nan,
    output wire [E+M:0]        code
);
    localparam signed [X-1:0] EMIN = 1;
    localparam signed [X-1:0] WIDE = W;
    wire                below = (FLUSH == 0) && (exp < EMIN);
    wire signed [X-1:0] gap   = EMIN - exp;
    wire [X-1:0]        shift = !below ? {X{1'b0}} : (gap > WIDE) ? WIDE : gap;
    wire [2*W-1:0]      moved = {sig, {W{1'b0}}} >> shift;
    fp_pack #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
              .FLUSH(FLUSH), .W(W), .X(X)) pack (
        .sign(sign), .exp(below ? EMIN : exp), .sig(moved[2*W-1:W]), .sticky(|moved[W-1:0]),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan), .code(code));
endmodule
