// Convert a code of one format to the nearest code of another, ties to even.
module fp_quantize #(
    parameter EA = 6, parameter MA = 9, parameter BIAS_A = 31, parameter SPECIALS_A = 1,
    parameter FLUSH_A = 0,
    parameter E = 5, parameter M = 2, parameter BIAS = 15, parameter SPECIALS = 1,
    parameter SATURATE = 1, parameter FLUSH = 0,
    parameter X = 12
) (
    input  wire [EA+MA:0] a,
    output wire [E+M:0]   code
);
    localparam W = (MA + 1 > M + 3) ? MA + 1 : M + 3;
    wire sign, is_zero, is_inf, is_nan;
    wire signed [X-1:0] exp;
    wire [MA:0] sig;
    wire [W-1:0] wide;

    fp_unpack #(.E(EA), .M(MA), .BIAS(BIAS_A - BIAS), .SPECIALS(SPECIALS_A),
                .FLUSH(FLUSH_A), .X(X)) unpack (
        .code(a), .sign(sign), .exp(exp), .sig(sig),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan));
    generate
        if (W > MA + 1) assign wide = {sig, {(W-MA-1){1'b0}}};
        else            assign wide = sig;
    endgenerate
    fp_round #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
               .FLUSH(FLUSH), .W(W), .X(X)) round (
        .sign(sign), .exp(exp), .sig(wide),
        .is_zero(is_zero), .is_inf(is_inf), .is_nan(is_nan), .code(code));
endmodule
