// The affine layer: matrix products with the bias added on the way out; what remains of the
// activation and of the bias gradient is one pass over the rows each (kernels/activation.h).
#include "lacuna/kernels/linear.h"

#include "gemm.h"
#include "lacuna/kernels/activation.h"
#include "linear_rows.h"

namespace lacuna::cuda {
namespace {

// [.., I] as [N, I].
View rows(const View& x) {
  return x.reshaped({x.count() / x.shape().back(), x.shape().back()});
}

}  // namespace

void run(Backend, Queue& queue, const Activate& op) {
  require(op.activation == Activation::kQuickGelu, "Activate", "no activation is named");
  quick_gelu_forward(queue, op.preactivation, op.y);
}

void run(Backend, Queue& queue, const LinearForward& op) {
  if (op.rows_alone) return linear_rows(queue, op);
  const View& z = op.preactivation.present() ? op.preactivation : op.y;
  gemm(queue, {rows(op.x)}, {op.weight, true}, rows(z), op.bias);
  if (op.activation == Activation::kQuickGelu) quick_gelu_forward(queue, z, op.y);
}

void run(Backend, Queue& queue, const LinearBackward& op) {
  const View dz = rows(op.dy), x = rows(op.x);
  if (op.activation == Activation::kQuickGelu) {
    quick_gelu_backward(queue, rows(op.preactivation), dz, op.dbias);
  } else if (op.dbias.present()) {
    add_column_sums(queue, dz, op.dbias);
  }
  gemm(queue, {dz, true}, {x}, op.dweight, {}, 1);
  if (op.dx.present()) gemm(queue, {dz}, {op.weight}, rows(op.dx));
}

}  // namespace lacuna::cuda
