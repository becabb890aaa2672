// Unpack a binary floating-point code into sign, exponent and normalised significand.
//
// The value of a finite non-zero code is (-1)^sign * sig * 2^(exp - M), where sig
// has its leading one at bit M, also for subnormal codes.
//
// SPECIALS: 0 none (all codes finite), 1 IEEE (top exponent holds infinity and NaN),
//           2 all-ones code is the only NaN ("fn"), no infinity.
module fp_unpack #(
    parameter E = 5,
    parameter M = 2,
    parameter BIAS = 15,
    parameter SPECIALS = 1,
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
    assign is_zero = subnormal && (frac == {M{1'b0}});
    assign is_inf  = (SPECIALS == 1) && (&field) && (frac == {M{1'b0}});
    assign is_nan  = (SPECIALS == 1) ? (&field) && (frac != {M{1'b0}})
                   : (SPECIALS == 2) ? (&field) && (&frac)
                   : 1'b0;

    // Leading zeros of {0, frac}: how far a subnormal significand moves left.
    integer i;
    reg [X-1:0] shift;
    always @* begin
        shift = M;
        for (i = 0; i < M; i = i + 1)
            if (frac[i]) shift = M - i;
    end

    localparam signed [X-1:0] BIAS_X = BIAS;
    wire signed [X-1:0] field_x = $signed({{(X-E){1'b0}}, field});
    wire signed [X-1:0] shift_x = $signed(shift);
    wire [M:0] raw = {1'b0, frac};
    assign sig = subnormal ? (raw << shift) : {1'b1, frac};
    assign exp = subnormal ? ($signed({{(X-1){1'b0}}, 1'b1}) - BIAS_X - shift_x)
                           : (field_x - BIAS_X);
endmodule
