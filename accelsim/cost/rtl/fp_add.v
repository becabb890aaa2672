// Sum of an accumulator code and an exact addend, rounded once to the nearest code.
//
// The addend is (-1)^sign * sig * 2^(exp - (P - 1)), normalised: bit P - 1 of sig is set,
// unless exp is that of the smallest normal number. exp has the sum's bias added to it, so
// that the adder need not know the bias. Both operands are brought to one frame of F bits,
// three of them below the wider significand; what the lesser one loses on its way right is
// kept as a sticky bit. The frame's exponent is never below that of the
// smallest normal number, and normalisation stops there, so that a subnormal sum is on
// its grid without a shift of its own. Where two or more places separate the exponents,
// a normal sum loses at most one leading place, so guard, round and sticky suffice;
// closer operands lose nothing.
//
// FLUSH: acc has no subnormals, and no bound stops the normalisation; fp_pack flushes.
module fp_add #(
    parameter E = 6, parameter M = 9,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
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
    localparam K = (F < 16) ? 4 : (F < 32) ? 5 : (F < 64) ? 6 : 7;
    localparam [X-1:0]        LIMIT = F;

    wire                c_sign, c_zero, c_inf, c_nan;
    wire signed [X-1:0] c_exp;
    wire [M:0]          c_sig;
    fp_unpack #(.E(E), .M(M), .BIAS(0), .SPECIALS(SPECIALS), .NORMALIZE(0),
                .FLUSH(FLUSH), .X(X)) unpack (
        .code(acc), .sign(c_sign), .exp(c_exp), .sig(c_sig),
        .is_zero(c_zero), .is_inf(c_inf), .is_nan(c_nan));

    wire [F-1:0] c_frame = {c_sig, {(F-M-1){1'b0}}};
    wire [F-1:0] p_frame = p_zero ? {F{1'b0}} : {p_sig, {(F-P){1'b0}}};

    wire                c_big    = p_zero | (c_exp >= p_exp);
    wire signed [X-1:0] frame_exp = c_big ? c_exp : p_exp;
    wire [X-1:0]        far      = c_big ? (c_exp - p_exp) : (p_exp - c_exp);
    wire [F-1:0]        greater  = c_big ? c_frame : p_frame;
    wire [F-1:0]        lesser   = c_big ? p_frame : c_frame;
    wire [X-1:0]        shift    = (far > LIMIT) ? LIMIT : far;
    wire [2*F-1:0]      moved    = {lesser, {F{1'b0}}} >> shift;
    wire [F-1:0]        aligned  = moved[2*F-1:F];
    wire                lost     = |moved[F-1:0];

    // A difference is taken one place too low where something was lost: its floor, which
    // the sticky bit exceeds. The floor of the opposite of a negative one is its complement.
    wire                minus    = c_sign ^ p_sign;
    wire [F:0]          total    = {1'b0, greater} + ({1'b0, aligned} ^ {(F+1){minus}})
                                 + {{F{1'b0}}, minus & ~lost};
    wire                negative = total[F] & minus;
    wire [F:0]          size     = negative ? (~total + {{F{1'b0}}, ~lost}) : total;
    wire                sign     = (c_big ? c_sign : p_sign) ^ negative;

    // Leading one of the sum to the top of F + 1 bits, or as far as a subnormal may go.
    wire [X-1:0]        room = frame_exp;
    wire [F:0]          stop = (FLUSH != 0) ? {(F+1){1'b0}}
                             : {1'b1, {F{1'b0}}} >> ((room > LIMIT) ? LIMIT : room);
    wire [K-1:0]        zeros;
    leading_zeros #(.W(F + 1), .K(K)) count (.word(size | stop), .count(zeros));
    wire [F:0]          norm = size << zeros;
    wire signed [X-1:0] exp  = frame_exp + 1'b1 - $signed({{(X-K){1'b0}}, zeros});

    wire                none = (size == {(F+1){1'b0}}) & ~lost;
    wire                nan  = c_nan | p_nan | (c_inf & p_inf & minus);
    wire                inf  = (c_inf | p_inf) & ~nan;
    // An exact zero is +0, save for the sum of two negative zeros.
    wire                zero_sign = c_sign & p_sign & c_zero & p_zero;

    fp_pack #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
              .FLUSH(FLUSH), .W(F + 1), .X(X)) pack (
        .sign(inf ? (c_inf ? c_sign : p_sign) : none ? zero_sign : sign),
        .exp(exp), .sig(norm), .sticky(lost),
        .is_zero(none & ~inf & ~nan), .is_inf(inf), .is_nan(nan), .code(sum));
endmodule
