// Leading zeros of a word, counted by halves: of 2^K bits, then of 2^(K-1), and so on.
//
// Below the word stand ones, so that a zero word counts W, or 2^K - 1 where W = 2^K.
module leading_zeros #(
    parameter W = 14,
    parameter K = 4                        // bits of the count, 2^K >= W
) (
    input  wire [W-1:0] word,
    output reg  [K-1:0] count
);
    localparam N = 1 << K;
    wire [W+N-1:0] padded = {word, {N{1'b1}}};
    reg  [N-1:0]   v;
    integer k;
    always @* begin
        v = padded[W+N-1 -: N];
        for (k = K - 1; k >= 0; k = k - 1) begin
            count[k] = ((v >> (N - (1 << k))) == {N{1'b0}});
            if (count[k]) v = v << (1 << k);
        end
    end
endmodule
