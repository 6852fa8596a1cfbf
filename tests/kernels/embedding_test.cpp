#include "../catch.h"
#include "../compare.h"
#include "../random_tensor.h"
#include "lacuna/kernels/embedding_decode.h"
#include "tolerances.h"

using namespace lacuna;

namespace {

struct Case {
  int64_t batch, length, width, vocabulary;
  std::vector<int64_t> tables;  // sizes
};

const Case kCases[] = {
    {1, 1, 1, 1, {1}},
    {2, 2, 3, 5, {1}},
    {3, 13, 17, 7, {13}},
    {2, 65, 33, 256, {9, 8}},
    {1, 64, 31, 11, {2, 32}},
    {2, 24, 5, 3, {2, 4, 3}},
    {1, 257, 65, 40, {9, 10, 3}},
};

template <class T>
struct Problem {
  Problem(const Case& given, uint64_t seed)
      : c(given),
        random(seed),
        shape{c.batch, c.length, c.width},
        tokens(random.tokens({c.batch, c.length}, c.vocabulary)),
        token(random.tensor<T>({c.vocabulary, c.width})),
        start(random.tensor<T>({c.width})),
        dy(random.tensor<T>(shape)),
        token_start(random.tensor<T>({c.vocabulary, c.width})),
        start_start(random.tensor<T>({c.width})),
        y(shape),
        dtoken(token_start.view()),
        dstart(start_start.view()) {
    for (const int64_t size : c.tables) {
      position.push_back(random.tensor<T>({size, c.width}));
      position_start.push_back(random.tensor<T>({size, c.width}));
      dposition.emplace_back(position_start.back().view());
    }
  }

  void run(Queue queue) {
    PositionTables tables, gradients;
    for (size_t k = 0; k < position.size(); ++k) {
      tables[k] = position[k];
      gradients[k] = dposition[k].view();
    }
    launch(queue,
           EmbeddingForward{
               .tokens = tokens, .token = token, .start = start, .y = y, .position = tables});
    launch(queue, EmbeddingBackward{.tokens = tokens,
                                    .dy = dy,
                                    .dtoken = dtoken,
                                    .dstart = dstart,
                                    .dposition = gradients});
  }

  Case c;
  Random random;
  Shape shape;
  Tensor tokens, token, start, dy, token_start, start_start;
  std::vector<Tensor> position, position_start;
  Guarded<T> y, dtoken, dstart;
  std::vector<Guarded<T>> dposition;
};

/// Row of each table for a position, counted up like an odometer whose last wheel is the fastest.
std::vector<int64_t> odometer(const std::vector<int64_t>& sizes, int64_t position) {
  std::vector<int64_t> wheels(sizes.size());
  for (int64_t step = 0; step < position; ++step) {
    for (size_t k = sizes.size(); k-- > 0;) {
      if (++wheels[k] < sizes[k]) break;
      wheels[k] = 0;
    }
  }
  return wheels;
}

template <class T>
std::vector<double> widened(const View& view) {
  const std::vector<T> values = elements<T>(view);
  return {values.begin(), values.end()};
}

template <class T>
void check_all_cases() {
  uint64_t seed = 400;
  for (const Case& c : kCases) {
    CAPTURE(c.batch, c.length, c.width, c.tables);
    Problem<T> p(c, seed++);
    p.run(Queue::cpu(2));

    std::vector<double> y(static_cast<size_t>(p.shape.count()));
    std::vector<double> dtoken = widened<T>(p.token_start), dstart = widened<T>(p.start_start);
    std::vector<std::vector<double>> dposition;
    for (const Tensor& start : p.position_start) dposition.push_back(widened<T>(start));
    const int32_t* tokens = p.tokens.view().template data<int32_t>();
    // Adds a table's row to a row of y, and the row of dy to the table's gradient.
    const auto use = [&](int64_t slot, const View& table, std::vector<double>& gradient,
                         int64_t row) {
      for (int64_t j = 0; j < c.width; ++j) {
        y[size_t(slot * c.width + j)] += table.data<T>()[row * c.width + j];
        gradient[size_t(row * c.width + j)] += p.dy.view().template data<T>()[slot * c.width + j];
      }
    };
    for (int64_t b = 0; b < c.batch; ++b) {
      use(b * c.length, p.start, dstart, 0);
      for (int64_t t = 1; t < c.length; ++t) {
        const int64_t slot = b * c.length + t;
        use(slot, p.token, dtoken, tokens[slot - 1]);
        const std::vector<int64_t> rows = odometer(c.tables, t - 1);
        for (size_t k = 0; k < rows.size(); ++k) use(slot, p.position[k], dposition[k], rows[k]);
      }
    }
    CHECK(relative_error(p.y.values(), y) <= kTolerances<T>.embedding);
    CHECK(relative_error(p.dtoken.values(), dtoken) <= kTolerances<T>.embedding_sums);
    CHECK(relative_error(p.dstart.values(), dstart) <= kTolerances<T>.embedding_sums);
    for (size_t k = 0; k < dposition.size(); ++k) {
      CHECK(relative_error(p.dposition[k].values(), dposition[k]) <= kTolerances<T>.embedding_sums);
      CHECK(p.dposition[k].intact());
    }
    CHECK((p.y.intact() && p.dtoken.intact() && p.dstart.intact()));
  }
}

}  // namespace

TEST_CASE("The embedding and its gradient are the formula, in f64") {
  check_all_cases<double>();
}
TEST_CASE("The embedding and its gradient are the formula, in f32") {
  check_all_cases<float>();
}

TEST_CASE("The embedding does not look at the last token") {
  Problem<double> a({2, 9, 4, 8, {9}}, 5), b({2, 9, 4, 8, {9}}, 5);
  b.tokens.view().data<int32_t>()[8] = -1;  // no row of the table
  b.tokens.view().data<int32_t>()[17] = -1;
  a.run(Queue::cpu(1));
  b.run(Queue::cpu(1));
  CHECK(same_bits(a.y.values(), b.y.values()));
  CHECK(same_bits(a.dtoken.values(), b.dtoken.values()));
  CHECK((b.dtoken.intact() && b.dstart.intact()));
}

TEST_CASE("The embedding gives the same bits on any number of threads") {
  const auto results = [](int threads) {
    Problem<float> p({2, 65, 70, 5, {9, 8}}, 6);
    p.run(Queue::cpu(threads));
    std::vector<float> all = p.y.values();
    for (const auto& more :
         {p.dtoken.values(), p.dstart.values(), p.dposition[0].values(), p.dposition[1].values()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  };
  const std::vector<float> one = results(1);
  CHECK(same_bits(one, results(1)));
  CHECK(same_bits(one, results(2)));
  CHECK(same_bits(one, results(3)));
}

namespace {

template <class T>
void check_decode(uint64_t seed) {
  for (const Case& c : kCases) {
    Problem<T> p(c, seed++);
    p.run(Queue::cpu(1));
    const std::vector<T> whole = p.y.values();
    PositionTables tables;
    for (size_t k = 0; k < p.position.size(); ++k) tables[k] = p.position[k];
    Queue queue = Queue::cpu(1);
    DecodeState state;
    const Tensor before = Tensor::zeros({c.batch, 1}, DType::kI32);
    for (int64_t t = 0; t < c.length; ++t) {
      CAPTURE(c.length, c.width, t);
      state.position = t;
      for (int64_t b = 0; b < c.batch; ++b) {  // at position 0 it must not be read
        before.view().data<int32_t>()[b] =
            t == 0 ? -1'000'000'000
                   : p.tokens.view().template data<int32_t>()[b * c.length + t - 1];
      }
      Guarded<T> y(Shape{c.batch, 1, c.width});
      launch(queue, EmbeddingDecode{.tokens = before,
                                    .token = p.token,
                                    .start = p.start,
                                    .y = y,
                                    .position = tables,
                                    .state = &state});
      CHECK(y.intact());
      std::vector<T> wanted;
      for (int64_t b = 0; b < c.batch; ++b) {
        const auto row = whole.begin() + (b * c.length + t) * c.width;
        wanted.insert(wanted.end(), row, row + c.width);
      }
      CHECK(same_bits(y.values(), wanted));
    }
  }
}

}  // namespace

TEST_CASE("Decoding the embedding gives its rows one after the other, bit for bit") {
  check_decode<double>(1600);
  check_decode<float>(1600);
}
