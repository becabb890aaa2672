// Round a number to the nearest code of a format, ties to even, and encode it.
//
// The number is (-1)^sign * (sig + sticky) * 2^(exp - (W - 1)), where sticky stands for a
// positive amount below the last bit, and exp has the format's bias added to it. exp >= 1,
// and bit W - 1 of sig is set unless exp = 1, so that a subnormal lies on its grid already.
// W >= M + 3.
// FLUSH: exp is unbounded below and bit W - 1 of sig always set; what is below the smallest
// normal number when it has been rounded becomes a zero of its sign.
// SATURATE: beyond the largest finite number, infinity included, give it, instead of
// infinity (SPECIALS 1) or NaN (SPECIALS 2). NaN is always the one positive, quiet code.
module fp_pack #(
    parameter E = 6, parameter M = 9,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter W = 14,
    parameter X = 10
) (
    input  wire                sign,
    input  wire signed [X-1:0] exp,
    input  wire [W-1:0]        sig,
    input  wire                sticky,
    input  wire                is_zero, is_inf, is_nan,
    output reg  [E+M:0]        code
);
    localparam [E+M-1:0] ALL_ONES = {(E+M){1'b1}};
    localparam [E+M-1:0] INF = {{E{1'b1}}, {M{1'b0}}};
    localparam [E+M-1:0] NAN = (SPECIALS == 1) ? (INF | ({{(E+M-1){1'b0}}, 1'b1} << (M-1)))
                                               : ALL_ONES;
    localparam [E+M-1:0] MAX = (SPECIALS == 1) ? (INF - 1'b1)
                             : (SPECIALS == 2) ? (ALL_ONES - 1'b1) : ALL_ONES;

    wire [M:0] kept  = sig[W-1 -: M+1];
    wire       guard = sig[W-2-M];
    wire       rest  = (|sig[W-3-M:0]) | sticky;
    wire       up    = guard & (rest | kept[0]);

    // Exponent field and fraction as one integer: the leading one of a normal number adds
    // one to the field, and a carry out of the fraction moves it on, which is right, also
    // from the largest subnormal to the smallest normal.
    wire [X-1:0]   field = exp - 1'b1;
    wire [X+M-1:0] base  = {field, {M{1'b0}}} + {{(X-1){1'b0}}, kept};
    wire [X+M-1:0] sum   = base + {{(X+M-1){1'b0}}, up};
    wire           over  = sum > {{X{1'b0}}, MAX};
    // The field is 0 or negative. Where it was -1, only a carry out of the fraction saves.
    wire           under = (FLUSH != 0) && (sum[X+M-1] | (sum[X+M-1:M] == {X{1'b0}}));

    always @* begin
        if (is_nan)       code = {1'b0, (SPECIALS == 0) ? MAX : NAN};
        else if (is_zero | (under & ~is_inf)) code = {sign, {(E+M){1'b0}}};
        else if (is_inf | over) begin
            if (SATURATE != 0 || SPECIALS == 0) code = {sign, MAX};
            else if (SPECIALS == 1)             code = {sign, INF};
            else                                code = {1'b0, NAN};
        end
        else              code = {sign, sum[E+M-1:0]};
    end
endmodule
