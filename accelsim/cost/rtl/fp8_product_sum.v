// Exact sum of two products of 8-bit floats, normalised: 72 bits hold every case.
//
// Products of finite e5m2 and e4m3fn numbers are multiples of 2^-32 below 2^32, so their
// sum is an integer of 65 bits in units of 2^-32; eight more places below keep the
// significands whole while they move.
module fp8_product_sum #(parameter OFFSET = 0, parameter X = 10) (
    input  wire                p_sign,
    input  wire signed [X-1:0] p_exp,
    input  wire [7:0]          p_sig,
    input  wire                p_zero, p_inf, p_nan,
    input  wire                q_sign,
    input  wire signed [X-1:0] q_exp,
    input  wire [7:0]          q_sig,
    input  wire                q_zero, q_inf, q_nan,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [71:0]         sig,
    output wire                is_zero, is_inf, is_nan
);
    // In units of 2^-39, value = sig * 2^(exp - OFFSET - 7 + 39); exp lies in -32 .. 31 + OFFSET.
    localparam signed [X-1:0] LOWEST = OFFSET - 32;
    wire [X-1:0] p_shift = p_exp - LOWEST;
    wire [X-1:0] q_shift = q_exp - LOWEST;
    wire [71:0] p_fixed = p_zero ? 72'b0 : {64'b0, p_sig} << p_shift[5:0];
    wire [71:0] q_fixed = q_zero ? 72'b0 : {64'b0, q_sig} << q_shift[5:0];
    wire        minus = p_sign ^ q_sign;
    wire        swap  = q_fixed > p_fixed;
    wire [71:0] total = !minus ? (p_fixed + q_fixed)
                      : swap ? (q_fixed - p_fixed) : (p_fixed - q_fixed);

    wire [6:0] zeros;
    leading_zeros #(.W(72), .K(7)) count (.word(total), .count(zeros));
    localparam signed [X-1:0] TOP = OFFSET + 71 - 39;
    assign sig = total << zeros;
    assign exp = TOP - $signed({{(X-7){1'b0}}, zeros});

    assign is_nan  = p_nan | q_nan | (p_inf & q_inf & minus);
    assign is_inf  = (p_inf | q_inf) & ~is_nan;
    assign is_zero = (total == 72'b0) & ~is_inf & ~is_nan;
    // An exact zero is +0, save for the sum of two negative zeros.
    assign sign = is_inf ? (p_inf ? p_sign : q_sign)
                : (total == 72'b0) ? (p_sign & q_sign & p_zero & q_zero)
                : swap ? q_sign : p_sign;
endmodule
