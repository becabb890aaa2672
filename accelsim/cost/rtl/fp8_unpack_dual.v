// Unpack an 8-bit float of either kind: e5m2 (kind 0) or e4m3fn (kind 1).
//
// Both come out with a four-bit significand, subnormal numbers in place, and one exponent
// range, OFFSET added.
module fp8_unpack_dual #(parameter OFFSET = 0, parameter X = 10) (
    input  wire [7:0]          code,
    input  wire                kind,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [3:0]          sig,
    output wire                is_zero, is_inf, is_nan
);
    wire signed [X-1:0] exp5, exp4;
    wire [2:0] sig5;
    wire [3:0] sig4;
    wire sign5, zero5, inf5, nan5, sign4, zero4, inf4, nan4;
    fp_unpack #(.E(5), .M(2), .BIAS(15 - OFFSET), .SPECIALS(1), .NORMALIZE(0), .X(X)) e5m2 (
        .code(code), .sign(sign5), .exp(exp5), .sig(sig5),
        .is_zero(zero5), .is_inf(inf5), .is_nan(nan5));
    fp_unpack #(.E(4), .M(3), .BIAS(7 - OFFSET), .SPECIALS(2), .NORMALIZE(0), .X(X)) e4m3 (
        .code(code), .sign(sign4), .exp(exp4), .sig(sig4),
        .is_zero(zero4), .is_inf(inf4), .is_nan(nan4));
    assign sign    = code[7];
    assign exp     = kind ? exp4 : exp5;
    assign sig     = kind ? sig4 : {sig5, 1'b0};
    assign is_zero = kind ? zero4 : zero5;
    assign is_inf  = kind ? inf4 : inf5;
    assign is_nan  = kind ? nan4 : nan5;
endmodule
