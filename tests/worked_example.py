"""One small matrix product, worked by hand, that every reading must reproduce.

Operands are fp8_e5m2 (three significant bits), accumulators fp16_e6m9 (ten
significant bits: between 2**e and 2**(e + 1) the numbers are 2**(e - 9) apart),
nearest-even, m = n = 2, k = 5, chunks of 2: products 0 and 1, then 2 and 3, then
4 alone.

Output [0, 0]
    products   32 * 32 = 1024, 1.25 * 1.5 = 1.875, 28 * 1.75 = 49,
               0.625 * 0.0625 = 0.0390625, -1.5 * 1.75 = -2.625
    chunk 0    1024; 1025.875, spacing 2: 1026
    chunk 1    49; 49.0390625 = 784.625 * 0.0625: 785 * 0.0625 = 49.0625
    chunk 2    -2.625
    total      1026; 1075.0625 = 537.53 * 2: 1076; 1073.375 = 536.69 * 2: 1074
    code       1074 = 2**10 * (1 + 25 / 512): (10 + 31) << 9 | 25 = 0x5219

Output [0, 1]
    products   -1024, 1.25 * 1.75 = 2.1875, 28 * 20 = 560, -0.3125, -0.5625
    chunk 0    -1024; -1021.8125, spacing 1 below 1024: -1022
    chunk 1    560; 559.6875, spacing 1: 560
    chunk 2    -0.5625
    total      -1022; -462; -462.5625 = -925.125 * 0.5: -462.5
    code       462.5 = 2**8 * (1 + 413 / 512): 0x8000 | (8 + 31) << 9 | 413 = 0xCF9D

Output [1, 0]
    products   96, 144, -0.4375, 3.5, 1.75 * 2**-16
    chunk 0    96; 240
    chunk 1    -0.4375; 3.0625
    chunk 2    1.75 * 2**-16
    total      240; 243.0625 = 972.25 * 0.25: 243; 243
    code       243 = 2**7 * (1 + 460 / 512): (7 + 31) << 9 | 460 = 0x4DCC

Output [1, 1]
    products   -96, 168, -5, -28, 0.375 * 2**-16
    chunk 0    -96; 72
    chunk 1    -5; -33
    chunk 2    0.375 * 2**-16
    total      72; 39; 39
    code       39 = 2**5 * (1 + 112 / 512): (5 + 31) << 9 | 112 = 0x4870

Without the last product (k = 4) the totals stop one step earlier:
1076, -462, 243, 39.

In one chunk, one product at a time:
    [0, 0]     1024; 1026; 1075 = 537.5 * 2, a tie, to even: 1076; 1076.04: 1076; 1073.375: 1074
    [0, 1]     -1024; -1022; -462; -462.3125 = -924.625 * 0.5: -462.5;
               -463.0625 = -926.125 * 0.5: -463
    [1, 0]     96; 240; 239.5625 = 958.25 * 0.25: 239.5; 243; 243
    [1, 1]     -96; 72; 67; 39; 39

In one chunk, two products at a time, fused (0 with 1, 2 with 3, 4 alone):
    [0, 0]     1025.875: 1026; 1026 + 49.0390625 = 1075.04: 1076; 1074
    [0, 1]     -1021.8125: -1022; -1022 + 559.6875 = -462.3125: -462.5; -463
    [1, 0]     240; 243.0625: 243; 243
    [1, 1]     72; 39; 39

Rows and columns do not meet, so cores that share out m and n change nothing.
"""

from __future__ import annotations

import numpy as np

CHUNK = 2
OPERAND_FORMAT = "fp8_e5m2"
ACCUMULATOR_FORMAT = "fp16_e6m9"

#: Left operand, (m, k).
A = np.array([[32.0, 1.25, 28.0, 0.625, -1.5], [3.0, 96.0, -0.25, 56.0, 2.0**-16]])
#: Right operand, (k, n).
B = np.array([[32.0, -32.0], [1.5, 1.75], [1.75, 20.0], [0.0625, -0.5], [1.75, 0.375]])

#: Exact products, (m, n, k).
PRODUCTS = np.array(
    [
        [[1024.0, 1.875, 49.0, 0.0390625, -2.625], [-1024.0, 2.1875, 560.0, -0.3125, -0.5625]],
        [
            [96.0, 144.0, -0.4375, 3.5, 1.75 * 2.0**-16],
            [-96.0, 168.0, -5.0, -28.0, 0.375 * 2.0**-16],
        ],
    ]
)
#: The running sum inside the chunk after each product, (m, n, k).
INNER_SUMS = np.array(
    [
        [[1024.0, 1026.0, 49.0, 49.0625, -2.625], [-1024.0, -1022.0, 560.0, 560.0, -0.5625]],
        [
            [96.0, 240.0, -0.4375, 3.0625, 1.75 * 2.0**-16],
            [-96.0, 72.0, -5.0, -33.0, 0.375 * 2.0**-16],
        ],
    ]
)
#: The sums of the three chunks, (m, n, chunk).
CHUNK_SUMS = INNER_SUMS[:, :, [1, 3, 4]]
#: The total after each chunk, (m, n, chunk).
OUTER_SUMS = np.array(
    [
        [[1026.0, 1076.0, 1074.0], [-1022.0, -462.0, -462.5]],
        [[240.0, 243.0, 243.0], [72.0, 39.0, 39.0]],
    ]
)
#: The result, (m, n), as values and as codes of fp16_e6m9.
RESULT = OUTER_SUMS[:, :, 2]
RESULT_CODES = np.array([[0x5219, 0xCF9D], [0x4DCC, 0x4870]])

#: With k = 4: without the last product.
RESULT_K4 = np.array([[1076.0, -462.0], [243.0, 39.0]])
#: In one chunk, sequentially.
RESULT_ONE_CHUNK = np.array([[1074.0, -463.0], [243.0, 39.0]])
#: In one chunk, products fused by two.
RESULT_FUSED_PAIRS = np.array([[1074.0, -463.0], [243.0, 39.0]])
