// Unpack a binary floating-point code into sign, exponent and significand.
//
// The value of a finite non-zero code is (-1)^sign * sig * 2^(exp - M), where sig
// has its leading one at bit M, also for subnormal codes. With NORMALIZE 0 those keep
// their place instead: exp is that of the smallest normal number, bit M of sig is 0.
// With FLUSH all codes of exponent field 0 are zeros; with NORMALIZE 0 so is their sig.
//
// SPECIALS: 0 none (all codes finite), 1 IEEE (top exponent holds infinity and NaN),
//           2 all-ones code is the only NaN ("fn"), no infinity.
module fp_unpack #(
    parameter E = 5,
    parameter M = 2,
    parameter BIAS = 15,
    parameter SPECIALS = 1,
    parameter NORMALIZE = 1,
    parameter FLUSH = 0,
    parameter X = 10                       // bits of the signed exponent
) (
    input  wire [E+M:0]        code,
    output wire                sign,
    output wire signed [X-1:0] exp,
    output wire [M:0]          sig,
    output wire                is_zero,
    output wire                is_inf,
    output wire                is_nan
);
    wire [E-1:0] field = code[E+M-1:M];
    wire [M-1:0] frac  = code[M-1:0];
    wire         subnormal = (field == {E{1'b0}});

    assign sign    = code[E+M];
    assign is_zero = subnormal && (FLUSH != 0 || frac == {M{1'b0}});
    assign is_inf  = (SPECIALS == 1) && (&field) && (frac == {M{1'b0}});
    assign is_nan  = (SPECIALS == 1) ? (&field) && (frac != {M{1'b0}})
                   : (SPECIALS == 2) ? (&field) && (&frac)
                   : 1'b0;

    localparam signed [X-1:0] BIAS_X = BIAS;
    localparam signed [X-1:0] EMIN = 1 - BIAS;
    wire signed [X-1:0] field_x = $signed({{(X-E){1'b0}}, field});
    generate
        if (FLUSH != 0) begin : flushed
            assign sig = (NORMALIZE != 0) ? {1'b1, frac} : {~subnormal, frac & {M{~subnormal}}};
            assign exp = field_x - BIAS_X;
        end else if (NORMALIZE != 0) begin : normal
            // Leading zeros of {0, frac}: how far a subnormal significand moves left.
            localparam K = (M < 4) ? 2 : (M < 8) ? 3 : (M < 16) ? 4 : (M < 32) ? 5 : 6;
            wire [K-1:0] zeros;
            leading_zeros #(.W(M + 1), .K(K)) count (.word({1'b0, frac}), .count(zeros));
            assign sig = subnormal ? ({1'b0, frac} << zeros) : {1'b1, frac};
            assign exp = subnormal ? (EMIN - $signed({{(X-K){1'b0}}, zeros})) : (field_x - BIAS_X);
        end else begin : in_place
            assign sig = {~subnormal, frac};
            assign exp = subnormal ? EMIN : (field_x - BIAS_X);
        end
    endgenerate
endmodule
