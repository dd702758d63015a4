"""The room for noise schedules, denoisers, guidance and samplers.

One convention: a noisy picture is x = x0 + sigma·eps, with eps of unit variance, and a model of it
is `denoise(x, sigma) -> x0`. Sigma is the only time there is; what a network wants instead, its
wrapper in `denoisers` works out.
"""
