// How far a kernel may be from the formula in double precision on the same inputs, as
// relative_error() measures it. One table; u is half a unit in the last place of the type.
#pragma once

#include <limits>

template <class T>
constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;

struct Tolerances {
  // Sums of at most 300 products of numbers below 1, the result about sqrt(300)/3: each of up to
  // 300 additions errs by u of a partial sum, mostly at random, so 40 u of the largest result.
  double linear;
  // Two sums of at most 300 terms, a root and a division per row; then sums over at most 257 rows.
  double norm;
  // Logits of about 3 err by 16 u and exp() turns that into a relative error of the weights; sums
  // of up to 300 weights; the backward pass subtracts two such sums and adds up to 300 rows.
  double attention;
  // Absolute: a loss is a difference of two logits, up to 20 in size (16 u of rounding), plus the
  // logarithm of a sum of up to 257 terms.
  double cross_entropy;
  // At most four terms are added per element forward.
  double embedding;
  // Up to 600 rows are added per table row backward, random errors of u per addition.
  double embedding_sums;
  // Eight operations per element and step, over 6 steps.
  double adamw;
  // Six of them.
  double lion;
};

template <class T>
constexpr Tolerances kTolerances{
    .linear = 40 * kUnit<T>,
    .norm = 60 * kUnit<T>,
    .attention = 150 * kUnit<T>,
    .cross_entropy = 40 * kUnit<T>,
    .embedding = 4 * kUnit<T>,
    .embedding_sums = 30 * kUnit<T>,
    .adamw = 60 * kUnit<T>,
    .lion = 50 * kUnit<T>,
};
