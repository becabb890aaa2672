// Products of the two-rate element: lane 0's of 16 or of 8 bits, and lane 1's of 8 bits.
//
// mode 0: lane 0 multiplies the (1,6,9) codes a and b; lane 1 is silent.
// mode 1: a = {a1, a0} and b = {b1, b0} hold two 8-bit floats each, of the kinds given
//         (0 e5m2, 1 e4m3fn).
// A product is a word {sign, zero, inf, nan, exp, sig}, exact, the sum's bias of 31 in exp.
// Both kinds of lane 0 share its multiplier; lane 1 has a four-bit one of its own.
module two_rate_products #(parameter X = 10) (
    input  wire          mode, a_kind, b_kind,
    input  wire [15:0]   a,
    input  wire [15:0]   b,
    output wire [X+23:0] p0,
    output wire [X+11:0] p1
);
    // Lane 0, 8-bit or 16-bit operands in one ten-bit significand.
    wire as16, az16, ai16, an16, bs16, bz16, bi16, bn16;
    wire as0, az0, ai0, an0, bs0, bz0, bi0, bn0;
    wire signed [X-1:0] ax16, bx16, ax0, bx0;
    wire [9:0] am16, bm16;
    wire [3:0] am0, bm0;
    fp_unpack #(.E(6), .M(9), .BIAS(31), .SPECIALS(1), .NORMALIZE(0), .X(X)) a_16 (
        .code(a), .sign(as16), .exp(ax16), .sig(am16),
        .is_zero(az16), .is_inf(ai16), .is_nan(an16));
    fp_unpack #(.E(6), .M(9), .BIAS(0), .SPECIALS(1), .NORMALIZE(0), .X(X)) b_16 (
        .code(b), .sign(bs16), .exp(bx16), .sig(bm16),
        .is_zero(bz16), .is_inf(bi16), .is_nan(bn16));
    fp8_unpack_dual #(.OFFSET(16), .X(X)) a_0 (.code(a[7:0]), .kind(a_kind), .sign(as0), .exp(ax0),
        .sig(am0), .is_zero(az0), .is_inf(ai0), .is_nan(an0));
    fp8_unpack_dual #(.OFFSET(15), .X(X)) b_0 (.code(b[7:0]), .kind(b_kind), .sign(bs0), .exp(bx0),
        .sig(bm0), .is_zero(bz0), .is_inf(bi0), .is_nan(bn0));

    wire p0_sign, p0_zero, p0_inf, p0_nan;
    wire signed [X-1:0] p0_exp;
    wire [19:0] p0_sig;
    fp_mul #(.MA(9), .MB(9), .X(X)) multiply_0 (
        .a_sign(mode ? as0 : as16), .a_exp(mode ? ax0 : ax16),
        .a_sig(mode ? {am0, 6'b0} : am16), .a_zero(mode ? az0 : az16),
        .a_inf(mode ? ai0 : ai16), .a_nan(mode ? an0 : an16),
        .b_sign(mode ? bs0 : bs16), .b_exp(mode ? bx0 : bx16),
        .b_sig(mode ? {bm0, 6'b0} : bm16), .b_zero(mode ? bz0 : bz16),
        .b_inf(mode ? bi0 : bi16), .b_nan(mode ? bn0 : bn16),
        .sign(p0_sign), .exp(p0_exp), .sig(p0_sig),
        .is_zero(p0_zero), .is_inf(p0_inf), .is_nan(p0_nan));
    assign p0 = {p0_sign, p0_zero, p0_inf, p0_nan, p0_exp, p0_sig};

    // Lane 1, 8-bit operands only.
    wire p1_sign, p1_zero, p1_inf, p1_nan;
    wire signed [X-1:0] p1_exp;
    wire [7:0] p1_sig;
    fp8_dual_product #(.OFFSET(31), .X(X)) multiply_1 (
        .a_kind(a_kind), .b_kind(b_kind),
        .a(mode ? a[15:8] : 8'b0), .b(mode ? b[15:8] : 8'b0),
        .sign(p1_sign), .exp(p1_exp), .sig(p1_sig),
        .is_zero(p1_zero), .is_inf(p1_inf), .is_nan(p1_nan));
    assign p1 = {p1_sign, p1_zero, p1_inf, p1_nan, p1_exp, p1_sig};
endmodule
