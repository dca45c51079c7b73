"""Two-tailed p-values of Student's t to 20 digits, by mpmath; Welch and paired tests by SciPy.

python student.py > student.txt
"""

import random

import mpmath as mp
from scipy import stats

mp.mp.dps = 60


def two_tailed(t, df):
    t, df = mp.mpf(t), mp.mpf(df)
    return mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True)


print("# t df p")
for df in ["1", "2", "2.5", "4", "9.75", "18", "29", "41.3", "57.9", "58", "300", "5000.5"]:
    for t in ["0", "1e-8", "0.01", "0.3", "0.9", "1.7", "2.05", "3.5", "6", "11", "17", "25", "33", "60", "150", "1e4", "1e9"]:
        p = two_tailed(t, df)
        if p > mp.mpf("1e-300"):
            print("t", t, df, mp.nstr(p, 20))

random.seed(1)
for n, m, shift, spread in [(2, 2, 0.1, 1.0), (5, 7, 0.5, 2.0), (10, 10, 1.0, 0.3), (30, 30, 0.01, 1.5), (30, 30, 5.0, 0.7), (30, 12, 90.0, 0.5)]:
    a = [round(random.gauss(0, 1), 6) for _ in range(n)]
    b = [round(random.gauss(shift, spread), 6) for _ in range(m)]
    result = stats.ttest_ind(b, a, equal_var=False)
    print("welch", ",".join(map(str, a)), ",".join(map(str, b)), repr(float(result.statistic)), repr(float(result.df)), mp.nstr(two_tailed(mp.mpf(repr(float(result.statistic))), mp.mpf(repr(float(result.df)))), 17))
    if n == m:
        result = stats.ttest_rel(b, a)
        print("paired", ",".join(map(str, a)), ",".join(map(str, b)), repr(float(result.statistic)), repr(float(result.df)), repr(float(result.pvalue)))

for _ in range(4):
    p = [round(random.random() ** 3, 6) for _ in range(12)]
    print("bh", ",".join(map(str, p)), ",".join(repr(float(q)) for q in stats.false_discovery_control(p)))
for alpha in ["0.05", "0.01", "0.4"]:
    for df in ["1", "4", "9.5", "58"]:
        print("critical", alpha, df, repr(float(stats.t.isf(float(alpha) / 2, float(df)))))
