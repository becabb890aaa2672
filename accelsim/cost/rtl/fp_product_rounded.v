// Product of two codes, rounded once to the nearest code of a format.
module fp_product_rounded #(
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter FLUSH_A = 0, parameter FLUSH_B = 0,
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire [EA+MA:0] a,
    input  wire [EB+MB:0] b,
    output wire [E+M:0]   code
);
    // Whether products of two subnormal numbers all round to zero.
    localparam TINY = BIAS_A + BIAS_B - 2 >= BIAS + M;
    // fp_round wants three bits below its last place: wide enough for any product.
    localparam P = MA + MB + 2;
    localparam W = (P > M + 3) ? P : M + 3;
    wire sign, is_zero, is_inf, is_nan;
    wire signed [X-1:0] exp;
    wire [P-1:0]   sig;
    wire [W+P-1:0] padded = {sig, {W{1'b0}}};

    fp_product #(.EA(EA), .MA(MA), .BIAS_A(BIAS_A), .SPECIALS_A(SPECIALS_A), .FLUSH_A(FLUSH_A),
                 .EB(EB), .MB(MB), .BIAS_B(BIAS_B), .SPECIALS_B(SPECIALS_B),
                 .FLUSH_B(FLUSH_B), .OFFSET(BIAS), .TINY(TINY), .X(X)) multiply (
        .a(a), .b(b), .sign(sign), .exp(exp), .sig(sig),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan));
    fp_round #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
               .FLUSH(FLUSH), .W(W), .X(X)) round (
        .sign(sign), .exp(exp), .sig(padded[W+P-1 -: W]),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan), .code(code));
endmodule
