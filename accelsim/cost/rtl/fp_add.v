// Sum of an accumulator code and an exact addend, rounded once to the nearest code.
//
// The addend is normalised: (-1)^sign * sig * 2^(exp - (P - 1)), leading one at bit
// P - 1. Both operands are brought to one frame of F bits, three of them below the
// wider significand; what the shorter one loses on its way right is kept as a sticky
// bit. Where two or more places separate the exponents, the sum loses at most one
// leading place, so guard, round and sticky suffice; closer operands lose nothing.
module fp_add #(
    parameter E = 6,
    parameter M = 9,
    parameter BIAS = 31,
    parameter SPECIALS = 1,
    parameter SATURATE = 0,
    parameter P = 6,
    parameter X = 10
) (
    input  wire [E+M:0]        acc,
    input  wire                p_sign,
    input  wire signed [X-1:0] p_exp,
    input  wire [P-1:0]        p_sig,
    input  wire                p_zero, p_inf, p_nan,
    output wire [E+M:0]        sum
);
    localparam W = (P > M + 1) ? P : M + 1;
    localparam F = W + 3;

    wire                c_sign, c_zero, c_inf, c_nan;
    wire signed [X-1:0] c_exp;
    wire [M:0]          c_sig;
    fp_unpack #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .X(X)) unpack (
        .code(acc), .sign(c_sign), .exp(c_exp), .sig(c_sig),
        .is_zero(c_zero), .is_inf(c_inf), .is_nan(c_nan));

    wire [F-1:0] c_frame = c_zero ? {F{1'b0}} : {c_sig, {(F-M-1){1'b0}}};
    wire [F-1:0] p_frame = p_zero ? {F{1'b0}} : {p_sig, {(F-P){1'b0}}};

    // A zero takes the other operand's exponent, so that it never wins the comparison.
    wire                c_big = p_zero | (~c_zero & (c_exp >= p_exp));
    wire signed [X-1:0] greater_exp  = c_big ? c_exp : p_exp;
    wire signed [X-1:0] far      = c_big ? (c_exp - p_exp) : (p_exp - c_exp);
    wire [F-1:0]        greater      = c_big ? c_frame : p_frame;
    wire [F-1:0]        lesser    = c_big ? p_frame : c_frame;
    localparam [X-1:0]  LIMIT    = F;
    wire [X-1:0]        shift    = ($unsigned(far) > LIMIT) ? LIMIT : $unsigned(far);
    wire [2*F-1:0]      moved    = {lesser, {F{1'b0}}} >> shift;
    wire [F-1:0]        aligned  = moved[2*F-1:F];
    wire                lost     = |moved[F-1:0];

    wire                minus    = c_sign ^ p_sign;
    // Subtracting a little more than `aligned` leaves a little less: borrow for the sticky bit.
    wire [F:0]          total    = minus ? ({1'b0, greater} - {1'b0, aligned} - {{F{1'b0}}, lost})
                                         : ({1'b0, greater} + {1'b0, aligned});
    wire                negative = total[F] & minus;
    wire [F:0]          size     = negative ? (~total + 1'b1) : total;
    wire                sign     = (c_big ? c_sign : p_sign) ^ negative;

    // Leading one of the sum to the top of F + 1 bits.
    integer i;
    reg [X-1:0] zeros;
    always @* begin
        zeros = F;
        for (i = 0; i <= F; i = i + 1)
            if (size[i]) zeros = F - i;
    end
    wire [F:0]          norm = size << zeros;
    wire signed [X-1:0] exp  = greater_exp + 1 - $signed(zeros);
    wire                none = (size == {(F+1){1'b0}}) & ~lost;
    wire                nan  = c_nan | p_nan | (c_inf & p_inf & minus);
    wire                inf  = (c_inf | p_inf) & ~nan;
    // An exact zero is +0, save for the sum of two negative zeros.
    wire                zero_sign = c_sign & p_sign & c_zero & p_zero;

    fp_round #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
               .W(F + 1), .X(X)) round (
        .sign(inf ? (c_inf ? c_sign : p_sign) : none ? zero_sign : sign),
        .exp(exp), .sig(norm), .sticky(lost),
        .is_zero(none & ~inf & ~nan), .is_inf(inf), .is_nan(nan), .code(sum));
endmodule
