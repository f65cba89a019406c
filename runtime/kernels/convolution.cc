// Kernels of convolution: operands, attributes, checks. They refuse sizes that do not fit together, windows that are empty or
// too large, element types other than float16 bfloat16 float32 float64 int32.
//
// S = 1, 2 or 3 spatial axes; channels last; C and O are multiples of groups; output channel o belongs to group o / (O/groups).
//   convolution                  x [n, in…, C], w [kernel…, C/groups, O], bias [O] (optional) -> z [n, out…, O]
//   convolution_input_gradient   w, dz -> dx
//   convolution_weight_gradient  x, dz -> dw, dbias [O] (second output optional)
//   depthwise_convolution, depthwise_convolution_input_gradient, depthwise_convolution_weight_gradient: the same operands with
//     groups = C and w [kernel…, C, multiplier] (O = C * multiplier), S = 1 or 2. No other difference.
// attributes of all: 0 groups (depthwise: 1)   1 activation (enum Activation in matmul.h; 0 for gradients)   2 alpha (a double)
//   then S words each of: strides >= 1, low padding, high padding (may be negative), input dilation >= 1, kernel dilation >= 1
// out = floor(((in - 1) * input_dilation + 1 + low + high - ((kernel - 1) * kernel_dilation + 1)) / stride) + 1, at least 0.
#include "kernels/convolution.h"

#include <algorithm>

namespace millstream {
namespace {

constexpr int64_t parameter_limit = int64_t{1} << 31;

const char* name_of(ConvolutionForm form, bool depthwise) {
  switch (form) {
    case ConvolutionForm::forward:
      return depthwise ? "depthwise_convolution: " : "convolution: ";
    case ConvolutionForm::input_gradient:
      return depthwise ? "depthwise_convolution_input_gradient: " : "convolution_input_gradient: ";
    default:
      return depthwise ? "depthwise_convolution_weight_gradient: " : "convolution_weight_gradient: ";
  }
}

bool supported(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::float16 || dtype == DType::bfloat16 ||
         dtype == DType::int32;
}

template <ConvolutionForm form>
Status check(const Call& call) {
  ConvolutionShape shape;
  return read_convolution(call, form, false, shape);
}

template <ConvolutionForm form>
Status run(const Call& call) {
  ConvolutionShape shape;
  MS_RETURN_IF_ERROR(read_convolution(call, form, false, shape));
  if (form == ConvolutionForm::forward) return run_convolution(call, shape);
  if (form == ConvolutionForm::input_gradient) return run_convolution_input_gradient(call, shape);
  return run_convolution_weight_gradient(call, shape);
}

}  // namespace

Status read_convolution(const Call& call, ConvolutionForm form, bool depthwise, ConvolutionShape& shape) {
  const std::string who = name_of(form, depthwise);
  const bool forward = form == ConvolutionForm::forward, weights = form == ConvolutionForm::weight_gradient;
  MS_REQUIRE((call.input_count == 2 || (forward && call.input_count == 3)) && call.has(0) && call.has(1),
             who + "takes two operands" + (forward ? " and an optional bias" : ""));
  MS_REQUIRE(call.output_count == 1 || (weights && call.output_count == 2), who + "wrong number of outputs");
  const Tensor& x = form == ConvolutionForm::input_gradient ? call.out(0) : call.in(0);
  const Tensor& w = forward ? call.in(1) : weights ? call.out(0) : call.in(0);
  const Tensor& z = forward ? call.out(0) : call.in(1);
  const Tensor* bias = forward                  ? (call.has(2) ? &call.in(2) : nullptr)
                       : call.output_count == 2 ? &call.out(1)
                                                : nullptr;
  MS_REQUIRE(x.rank >= 3 && x.rank <= (depthwise ? 4 : 5) && w.rank == x.rank && z.rank == x.rank,
             who + "takes [n, spatial…, channels] with one to three spatial axes (depthwise: one or two), got " +
                 show_sizes(x) + ", " + show_sizes(w) + ", " + show_sizes(z));
  MS_REQUIRE(supported(x.dtype) && w.dtype == x.dtype && z.dtype == x.dtype && (!bias || bias->dtype == x.dtype),
             who + "takes one of float16, bfloat16, float32, float64, int32 for all operands, got " + show_sizes(x) +
                 ", " + show_sizes(w) + ", " + show_sizes(z));
  for (const Tensor* tensor : {&x, &w, &z}) {
    MS_REQUIRE(sizes_fit(tensor->dims, tensor->rank, 64), who + "sizes out of range: " + show_sizes(*tensor));
  }
  const int spatial = x.rank - 2;
  MS_REQUIRE(call.attribute_count == 3 + 5 * spatial, who + "takes " + std::to_string(3 + 5 * spatial) +
                                                          " attribute words, got " +
                                                          std::to_string(call.attribute_count));
  const int64_t groups = depthwise ? x.dims[x.rank - 1] : call.attributes[0], activation = call.attributes[1];
  MS_REQUIRE(!depthwise || call.attributes[0] == 1,
             who + "groups must be 1, got " + std::to_string(call.attributes[0]));
  MS_REQUIRE(activation >= 0 && activation < (forward ? activation_count : 1),
             who + "activation " + std::to_string(activation) + " is not known here");
  MS_REQUIRE(activation == 0 || x.dtype != DType::int32, who + "an activation needs a floating type");
  shape.spatial = spatial;
  shape.dtype = x.dtype;
  shape.batch = x.dims[0];
  shape.in_channels = x.dims[x.rank - 1];
  shape.out_channels = z.dims[x.rank - 1];
  shape.groups = groups;
  shape.activation = static_cast<Activation>(activation);
  shape.alpha = call.real(2);
  const int64_t w_in = w.dims[w.rank - 2], w_out = w.dims[w.rank - 1];
  if (depthwise) {
    MS_REQUIRE(w_in == shape.in_channels && w_in * w_out == shape.out_channels,
               who + "weights must be [kernel…, C, multiplier] and z have C * multiplier channels, got " +
                   show_sizes(x) + ", " + show_sizes(w) + ", " + show_sizes(z));
    if (groups == 0) shape.groups = 1;
  } else {
    MS_REQUIRE(groups >= 1 && groups <= parameter_limit && shape.in_channels % groups == 0 &&
                   shape.out_channels % groups == 0 && w_in == shape.in_channels / groups &&
                   w_out == shape.out_channels,
               who + "channels do not fit " + std::to_string(groups) + " groups: " + show_sizes(x) + ", " +
                   show_sizes(w) + ", " + show_sizes(z));
  }
  MS_REQUIRE(z.dims[0] == shape.batch, who + "batch sizes differ: " + show_sizes(x) + ", " + show_sizes(z));
  MS_REQUIRE(!bias || (bias->rank == 1 && bias->dims[0] == shape.out_channels),
             who + "the bias must be [" + std::to_string(shape.out_channels) + "]");
  for (int i = 0; i < spatial; ++i) {
    const int axis = 3 - spatial + i;
    const int64_t* words = call.attributes + 3 + i;
    const int64_t stride = words[0], low = words[spatial], high = words[2 * spatial],
                  input_dilation = words[3 * spatial], kernel_dilation = words[4 * spatial];
    const int64_t in = x.dims[1 + i], out = z.dims[1 + i], kernel = w.dims[i];
    const auto in_range = [](int64_t value, int64_t least) { return value >= least && value < parameter_limit; };
    MS_REQUIRE(in_range(stride, 1) && in_range(input_dilation, 1) && in_range(kernel_dilation, 1),
               who + "strides and dilations must be 1 to 2^31, got " + std::to_string(stride) + ", " +
                   std::to_string(input_dilation) + ", " + std::to_string(kernel_dilation));
    MS_REQUIRE(in_range(low, 1 - parameter_limit) && in_range(high, 1 - parameter_limit), who + "padding out of range");
    MS_REQUIRE(in_range(kernel, 1), who + "the window must have size 1 to 2^31, got " + show_sizes(w));
    MS_REQUIRE(in_range(in, 0) && in_range(out, 0),
               who + "sizes out of range: " + show_sizes(x) + ", " + show_sizes(z));
    const int64_t whole = (in == 0 ? 0 : (in - 1) * input_dilation + 1) + low + high;
    const int64_t window = (kernel - 1) * kernel_dilation + 1;
    const int64_t expected = whole < window ? 0 : (whole - window) / stride + 1;
    MS_REQUIRE(out == expected, who + "spatial axis " + std::to_string(i) + " of z must be " +
                                    std::to_string(expected) + ", got " + show_sizes(z));
    shape.in[axis] = in, shape.out[axis] = out, shape.kernel[axis] = kernel;
    shape.stride[axis] = stride, shape.low[axis] = low, shape.high[axis] = high;
    shape.input_dilation[axis] = input_dilation, shape.kernel_dilation[axis] = kernel_dilation;
  }
  return {};
}

const Kernel kernel_convolution{"convolution", check<ConvolutionForm::forward>, run<ConvolutionForm::forward>};
const Kernel kernel_convolution_input_gradient{"convolution_input_gradient", check<ConvolutionForm::input_gradient>,
                                               run<ConvolutionForm::input_gradient>};
const Kernel kernel_convolution_weight_gradient{"convolution_weight_gradient", check<ConvolutionForm::weight_gradient>,
                                                run<ConvolutionForm::weight_gradient>};

void register_convolution(Registry& registry) {
  registry.add(kernel_convolution);
  registry.add(kernel_convolution_input_gradient);
  registry.add(kernel_convolution_weight_gradient);
}

}  // namespace millstream
