// Round a normalised number of any exponent to the nearest number of a format, unpacked.
//
// The number is (-1)^sign * sig * 2^(exp - (W - 1)), its leading one at bit W - 1, and
// exp has the format's bias added to it. What comes out is (-1)^sign * r_sig * 2^(r_exp - M),
// normalised too, subnormal numbers included, and with the bias. The last place of a
// subnormal number lies higher; instead of the number, a mask moves. What is too large, NaN
// and FLUSH are as in fp_pack. W >= M + 2.
module fp_round_unpacked #(
    parameter E = 6, parameter M = 9,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter W = 14,
    parameter X = 10
) (
    input  wire                sign,
    input  wire signed [X-1:0] exp,
    input  wire [W-1:0]        sig,
    input  wire                is_zero, is_inf, is_nan,
    output wire                r_sign,
    output wire signed [X-1:0] r_exp,
    output wire [M:0]          r_sig,
    output wire                r_zero, r_inf, r_nan
);
    localparam signed [X-1:0] EMIN = 1;
    localparam signed [X-1:0] EMAX = (1 << E) - 1 - (SPECIALS == 1);
    localparam [M:0] LARGEST = {(M+1){1'b1}} ^ (SPECIALS == 2);
    localparam CLIPS = (SATURATE != 0) || (SPECIALS == 0);

    // Places of the result, one above the leading one included, and the one below them.
    wire signed [X-1:0] gap  = EMIN - exp;
    wire [M+1:0] places = {(M+2){(FLUSH != 0) | gap[X-1]}} | ({(M+2){1'b1}} << gap);
    wire [M+2:0] keep   = {places, 1'b0};
    wire [M+2:0] half   = {1'b0, places} & ~keep;

    // Half of the last place is added; a tie, which then leaves nothing below, goes to even.
    wire [M+2:0] added  = {1'b0, sig[W-1 -: M+2]} + half;
    wire         below;
    generate
        if (W > M + 2) assign below = |sig[W-M-3:0];
        else           assign below = 1'b0;
    endgenerate
    wire         tie    = ~below & ~|(added & ~keep);
    wire [M+2:0] near   = added & keep & ~({(M+3){tie}} & {half[M+1:0], 1'b0});
    wire         carry  = near[M+2];
    wire signed [X-1:0] up_exp = exp + $signed({{(X-1){1'b0}}, carry});
    wire [M:0]          up_sig = {near[M+1] | carry, near[M:1]};

    wire over  = (up_exp > EMAX) | ((SPECIALS == 2) & (up_exp == EMAX) & (&up_sig));
    wire none  = (FLUSH != 0) ? (up_exp < EMIN) : ~up_sig[M];
    wire beyond = (is_inf | (over & ~none & ~is_zero)) & ~is_nan;
    wire clip  = CLIPS & (beyond | (is_nan & (SPECIALS == 0)));
    assign r_sign = sign & ~((SPECIALS == 0) & is_nan);
    assign r_exp  = clip ? EMAX : up_exp;
    assign r_sig  = clip ? LARGEST : up_sig;
    assign r_nan  = (SPECIALS != 0) & (is_nan | ((SPECIALS == 2) & ~CLIPS & beyond));
    assign r_inf  = (SPECIALS == 1) & ~CLIPS & beyond;
    assign r_zero = (is_zero | none) & ~is_inf & ~is_nan;
endmodule
