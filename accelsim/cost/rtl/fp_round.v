// Round a normalised number to the nearest code of a format, ties to even.
//
// The number is (-1)^sign * (sig + sticky) * 2^(exp - (W - 1)), its leading one at bit
// W - 1, where sticky stands for a positive amount below the last bit. W >= M + 3.
// Subnormals are gradual. SATURATE: beyond the largest finite number, infinity included,
// give it, instead of infinity (SPECIALS 1) or NaN (SPECIALS 2). NaN is always the one
// positive, quiet code.
module fp_round #(
    parameter E = 6,
    parameter M = 9,
    parameter BIAS = 31,
    parameter SPECIALS = 1,
    parameter SATURATE = 0,
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
    localparam signed [X-1:0] EMIN = 1 - BIAS;
    localparam signed [X-1:0] BIAS_X = BIAS;
    localparam signed [X-1:0] WIDE = W;
    localparam [E+M-1:0] ALL_ONES = {(E+M){1'b1}};
    localparam [E+M-1:0] INF = {{E{1'b1}}, {M{1'b0}}};
    localparam [E+M-1:0] NAN = (SPECIALS == 1) ? (INF | ({{(E+M-1){1'b0}}, 1'b1} << (M-1)))
                                               : ALL_ONES;
    localparam [E+M-1:0] MAX = (SPECIALS == 1) ? (INF - 1'b1)
                             : (SPECIALS == 2) ? (ALL_ONES - 1'b1) : ALL_ONES;

    // A number below the smallest normal moves right until it lies on the subnormal grid.
    wire                below = exp < EMIN;
    wire signed [X-1:0] gap   = EMIN - exp;
    wire signed [X-1:0] far   = (gap > WIDE) ? WIDE : gap;
    wire [X-1:0]        shift = below ? far : {X{1'b0}};
    wire [2*W-1:0]      moved = {sig, {W{1'b0}}} >> shift;
    wire [M:0]          kept  = moved[2*W-1 -: M+1];
    wire                guard = moved[2*W-2-M];
    wire                rest  = (|moved[2*W-3-M:0]) | sticky;
    wire                up    = guard & (rest | kept[0]);

    // Exponent field and fraction as one integer: a carry out of the fraction moves the
    // exponent, which is right, also from the largest subnormal to the smallest normal.
    wire [X-1:0]     field = below ? {X{1'b0}} : (exp + BIAS_X - 1'b1);
    wire [X+M-1:0]   base  = {field, {M{1'b0}}} + {{(X-1){1'b0}}, kept};
    wire [X+M-1:0]   sum   = base + {{(X+M-1){1'b0}}, up};
    wire             over  = sum > {{X{1'b0}}, MAX};

    always @* begin
        if (is_nan)       code = {1'b0, (SPECIALS == 0) ? MAX : NAN};
        else if (is_zero) code = {sign, {(E+M){1'b0}}};
        else if (is_inf | over) begin
            if (SATURATE != 0 || SPECIALS == 0) code = {sign, MAX};
            else if (SPECIALS == 1)             code = {sign, INF};
            else                                code = {1'b0, NAN};
        end
        else              code = {sign, sum[E+M-1:0]};
    end
endmodule
