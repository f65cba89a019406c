// Rare elementwise functions: Bessel functions, integrals without a closed form, the incomplete beta function. All are
// computed in double, by series where these are short, else by Chebyshev series that were fitted for this file.
#include <cmath>
#include <limits>

#include "kernels/elementwise_functions.h"

namespace millstream {
namespace {

constexpr double pi = 3.141592653589793238462643383279502884;
constexpr double euler = 0.577215664901532860606512090082402431;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

constexpr double scaled_k0[] = {
    1.220151541032977727,     -0.03144810131196450054,   1.569883885730053375e-3,  -1.284954958162780264e-4,
    1.394981371887649936e-5,  -1.831755522719119485e-6,  2.766813639445015076e-7,  -4.660489897687947666e-8,
    8.574034017414226086e-9,  -1.697534509389061516e-9,  3.577397281400328447e-10, -7.957489244477397038e-11,
    1.855949114954926555e-11, -4.514597883374519175e-12, 1.140340588207344235e-12, -2.980096923148178355e-13,
    8.032890775068374369e-14, -2.22751332674629636e-14,  6.340076476276645966e-15, -1.848593377920907169e-15,
    5.512055999404333365e-16, -1.678231125754900638e-16, 5.210391777643554113e-17, -1.647580593984263282e-17,
    5.300433771177335771e-18};
constexpr double scaled_k1[] = {
    1.360313095242221335,      0.1039237365768172384,    -2.857816859622779387e-3,  1.952155184713516311e-4,
    -1.93619797416608296e-5,   2.406484947837217117e-6,  -3.501960603087812542e-7,  5.741084125450049292e-8,
    -1.034576246567809703e-8,  2.015049755197034616e-9,  -4.190354759341925584e-10, 9.218315187605314126e-11,
    -2.129967838427791022e-11, 5.13963967348234354e-12,  -1.289173960949822935e-12, 3.34841966605224312e-13,
    -8.976705182010146069e-14, 2.477154424219598681e-14, -7.019837089214768851e-15, 2.03870316623986088e-15,
    -6.057047270643017823e-16, 1.838093575243045426e-16, -5.689462849193648374e-17, 1.794051047886357291e-17,
    -5.75674448207330245e-18};
constexpr double dawson_near[] = {
    0.44104069538121084,      -0.3912392102067887701,    0.1275024810402381349,    -0.03226539423443117787,
    6.621382082397935208e-3,  -1.138337808707327507e-3,  1.680248882818194957e-4,  -2.170167693150585986e-5,
    2.489630283036481017e-6,  -2.567687962431865196e-7,  2.40447855168108989e-8,   -2.06140062408479887e-9,
    1.62931271333228411e-10,  -1.194393525018866507e-11, 8.162835366150306111e-13, -5.224558681934985911e-14,
    3.144145283086302812e-15, -1.785392994906734258e-16, 9.596492555002000885e-18};
constexpr double dawson_middle[] = {
    0.1735666207813549456,     -0.09150744356332359135,   0.02602287710075587039,    -7.665692574936908653e-3,
    2.134629573804697086e-3,   -4.708019707165390287e-4,  3.651498792195733181e-5,   3.305562266459229352e-5,
    -2.19592597234766483e-5,   7.757281541838260321e-6,   -1.580822649913345592e-6,  1.450198933629680426e-8,
    1.219546334138873036e-7,   -4.721521795614665863e-8,  8.040407199521806574e-9,   5.036375100855126698e-10,
    -6.74958056702569596e-10,  1.716533740405990913e-10,  -9.736972038475425552e-12, -6.854343955651635498e-12,
    2.286407997660320049e-12,  -2.179862679286766158e-13, -5.938795611021057239e-14, 2.362682727554390693e-14,
    -2.484255003493583906e-15, -4.995154600137983014e-16, 2.042032478622620141e-16,  -1.965478664555850731e-17,
    -4.240861950869730799e-18, 1.508839620745665844e-18};
constexpr double dawson_far[] = {
    1.010493039815555384,      0.01066518885484407105,    1.77106734284146395e-4,    5.169683968011005331e-6,
    2.244750778249371681e-7,   1.34649371443334749e-8,    1.080021566781940345e-9,   1.148929826282125887e-10,
    1.599986562592123763e-11,  2.703005580094485012e-12,  4.591872803691232865e-13,  4.802799321125507163e-14,
    -1.119531528129013641e-14, -8.851173977001468378e-15, -2.765692331603999186e-15, -2.902841152066179481e-16,
    1.554576948158683622e-16,  8.194209358526766759e-17,  9.896570522099587786e-18,  -5.945081119903523181e-18};
constexpr double exponential_6[] = {1.186519731605942991,      0.08867277799156566296,    4.538849615854890319e-3,
                                    -7.360917133533505487e-4,  -1.311802094421383153e-4,  1.860281858277768996e-5,
                                    1.761042415385059799e-6,   -6.410426692376372085e-7,  4.343119097740159882e-8,
                                    9.457713014017885425e-9,   -2.804867660824965618e-9,  2.907751380938946678e-10,
                                    1.500539666858500663e-11,  -1.103867495302653864e-11, 2.075276957584101413e-12,
                                    -1.824894014255640813e-13, -1.306042432309377512e-14, 8.228174434389539916e-15,
                                    -1.70646408544056063e-15,  2.08951150061856913e-16,   -6.969523887851859909e-18};
constexpr double exponential_12[] = {
    1.073328493726036196,      0.02858937698432098673,    9.877354599019657101e-4,   6.535142674684367298e-5,
    4.080867437625506573e-6,   -3.58992661183806071e-7,   -1.344573435689755932e-7,  -3.096554001036047234e-9,
    2.993958037856067622e-9,   6.636901195446687332e-11,  -7.5802988735125443e-11,   2.91093271006444977e-12,
    1.694918348031652496e-12,  -2.484353114376775832e-13, -1.492137116091307456e-14, 8.569592517547665806e-15,
    -8.552327771250705458e-16, -9.567382338710218547e-17, 3.92278471915958964e-17,   -4.342685920321650057e-18};
constexpr double exponential_24[] = {
    1.033563314495490603,     0.01194944774791583046,    1.49846542033833545e-4,   3.102037298844131644e-6,
    9.655715284928462224e-8,  4.421953602438200713e-9,   2.96181165610343824e-10,  2.532877233740851838e-11,
    1.759338647355266932e-12, -8.195941935743879063e-14, -5.29178179613373174e-14, -6.672672088083768034e-15,
    3.452739310173446647e-16, 1.878953091180214189e-16,  5.122811993425011935e-18, -4.299142160095916077e-18};
constexpr double exponential_48[] = {1.010760509274228566,    0.01087832343892455572,   1.197956039484983764e-4,
                                     2.026995752581765053e-6, 4.690070224506081528e-8,  1.393142159691199946e-9,
                                     5.10813284877068202e-11, 2.25187106939811611e-12,  1.171719305256576699e-13,
                                     7.1021650894497862e-15,  4.968725666498445331e-16, 3.988627092302657675e-17};
constexpr double fresnel_f[] = {
    0.9857894789142937088,     -0.01810697349775806386,   -3.37718797332814261e-3,   5.091545405755561515e-4,
    -2.187385557827725002e-5,  -8.499731425640028983e-6,  2.840287765276022807e-6,   -4.556551945746948237e-7,
    4.798979533953561147e-9,   2.450771404529015267e-8,   -9.724078476502693783e-9,  2.244705777112212304e-9,
    -2.193013671810811118e-10, -8.889450365287245417e-11, 6.269236746291281622e-11,  -2.291235951124461743e-11,
    5.551207865379647394e-12,  -5.344612512284730003e-13, -3.272244527521114966e-13, 2.501129254999703799e-13,
    -1.069740097282582628e-13, 3.267014081143003535e-14,  -6.064396921441458844e-15, -6.212232048839728121e-16,
    1.248228595758350336e-15,  -7.268923468487133271e-16, 2.989621543291976001e-16,  -9.18449288704141052e-17,
    1.657282624994394062e-17,  3.080251903050977177e-18,  -4.882773027444430842e-18};
constexpr double fresnel_g[] = {
    0.9388897898625275669,     -0.07569240460577421997,   -0.01123992019251560054,   3.100246971247331749e-3,
    -3.107178237336205613e-4,  -3.735554069836505031e-5,  2.489833956563901763e-5,   -6.101883853478246151e-6,
    6.60959372132872787e-7,    1.627455812857296521e-7,   -1.181434945212320668e-7,  3.892333216596804427e-8,
    -7.660969262447973138e-9,  4.392750840086601138e-11,  7.513851855297762359e-10,  -4.022350450686015292e-10,
    1.359606559532125417e-10,  -2.959198231377621327e-11, 5.670173255442441221e-13,  3.420143833873465439e-12,
    -2.16227388122330713e-12,  8.841847443666501944e-13,  -2.598622429028585955e-13, 4.099066278178582905e-14,
    1.152140941069008542e-14,  -1.402406678588212803e-14, 7.80037303261317405e-15,   -3.176839916702351179e-15,
    9.631257274235078731e-16,  -1.570997272972024413e-16, -5.075098095798867509e-17, 6.467457722513285971e-17,
    -3.906844955604953403e-17, 1.768653194624122138e-17,  -6.261491000464633439e-18};
constexpr double dilogarithm[] = {
    1.014941606409653625,     -0.1314801283876580301,    0.01531345251810208279,   -2.272188943655958979e-3,
    3.851619930081594422e-4,  -7.103404374209115129e-5,  1.388562248740477885e-5,  -2.832395458385451463e-6,
    5.968314737835964308e-7,  -1.290231243754672471e-7,  2.847530912797223522e-8,  -6.392641519505727877e-9,
    1.455823567596863063e-9,  -3.356030027905024258e-10, 7.818019409066588487e-11, -1.837932419410390714e-11,
    4.355524622917214361e-12, -1.03951117856037553e-12,  2.49666627816297491e-13,  -6.0304702883435759e-14,
    1.464062493608626537e-14, -3.570903196070032424e-15, 8.746346791364232988e-16, -2.150545679213171642e-16,
    5.306479869355657553e-17, -1.313647998593212465e-17};

// The sum of c[k] T_k(t) at the place t of x in [low, high]; by Clenshaw.
template <size_t count>
double chebyshev(const double (&c)[count], double x, double low, double high) {
  const double t = (2 * x - low - high) / (high - low);
  double next = 0, after = 0;
  for (size_t k = count - 1; k > 0; --k) {
    const double now = 2 * t * next - after + c[k];
    after = next;
    next = now;
  }
  return t * next - after + c[0];
}

double bessel_j(double x, bool first) {
  if (std::isinf(x)) return not_a_number;
  return first ? ::j1(x) : ::j0(x);
}

double bessel_y(double x, bool first) {
  if (x <= 0) return -infinity;
  if (!(x < infinity)) return not_a_number;
  return first ? ::y1(x) : ::y0(x);
}

// K0 and K1 of 0 < x <= 2 by their series.
double bessel_k_near(double x, bool first) {
  const double quarter = x * x / 4, logarithm = std::log(x / 2) + euler;
  // term: (x^2 / 4)^k / (k! (k + order)!); harmonic: the mean of 1 + 1/2 + … 1/k and the same to k + order.
  double term = 1, harmonic = first ? 0.5 : 0, sum = 0, bessel_i = 0;
  for (int k = 0; k < 30; ++k) {
    if (k > 0) {
      term *= quarter / (static_cast<double>(k) * (first ? k + 1 : k));
      harmonic += first ? (1.0 / k + 1.0 / (k + 1)) / 2 : 1.0 / k;
    }
    bessel_i += term;
    sum += term * harmonic;
    if (term < 1e-18 * bessel_i) break;
  }
  return first ? 1 / x + x / 2 * (logarithm * bessel_i - sum) : sum - logarithm * bessel_i;
}

double bessel_k(double x, bool first, bool scaled) {
  if (std::isnan(x)) return x;
  if (x <= 0) return infinity;
  if (x <= 2) return bessel_k_near(x, first) * (scaled ? std::exp(x) : 1);
  const double u = 1 / x;
  const double found = (first ? chebyshev(scaled_k1, u, 0, 0.5) : chebyshev(scaled_k0, u, 0, 0.5)) / std::sqrt(x);
  return scaled ? found : found * std::exp(-x);
}

double dawson(double x) {
  const double size = std::fabs(x);
  if (size < 2) return x * chebyshev(dawson_near, x * x, 0, 4);
  if (size < 5) return std::copysign(chebyshev(dawson_middle, size, 2, 5), x);
  return chebyshev(dawson_far, 1 / x / x, 0, 1.0 / 25) / (2 * x);
}

double exponential_integral(double x) {
  if (!(x >= 0)) return not_a_number;
  if (x == 0) return -infinity;
  if (x < 6) {
    double term = 1, sum = 0;
    for (int k = 1; k < 60; ++k) {
      term *= x / k;
      sum += term / k;
      if (term < 1e-18 * sum) break;
    }
    return euler + std::log(x) + sum;
  }
  const double u = 1 / x;
  const double scaled = x < 12   ? chebyshev(exponential_6, u, 1.0 / 12, 1.0 / 6)
                        : x < 24 ? chebyshev(exponential_12, u, 1.0 / 24, 1.0 / 12)
                        : x < 48 ? chebyshev(exponential_24, u, 1.0 / 48, 1.0 / 24)
                                 : chebyshev(exponential_48, u, 0, 1.0 / 48);
  const double half = std::exp(x / 2);  // exp(x) leaves the numbers before the quotient does
  return half / x * scaled * half;
}

double fresnel(double x, bool sine) {
  if (std::isnan(x)) return x;
  const double size = std::fabs(x), square = size * size;
  double found;
  if (square < 2.5) {
    const double angle = pi / 2 * square;
    double term = sine ? size * angle : size;
    found = 0;
    for (int k = 0; k < 40; ++k) {
      const int n = sine ? 2 * k + 1 : 2 * k;  // the power of the angle
      found += term / (2 * n + 1);
      term *= -angle * angle / ((n + 1.0) * (n + 2.0));
      if (std::fabs(term) < 1e-18 * size) break;
    }
  } else if (size > 1e17) {
    found = 0.5;
  } else {
    const double angle = pi / 2 * std::fmod(square, 4), u = 1 / square;
    const double f = chebyshev(fresnel_f, u, 0, 0.4) / (pi * size);
    const double g = chebyshev(fresnel_g, u, 0, 0.4) / (pi * pi * square * size);
    found = sine ? 0.5 - f * std::cos(angle) - g * std::sin(angle) : 0.5 + f * std::sin(angle) - g * std::cos(angle);
  }
  return std::copysign(found, x);
}

// The dilogarithm of 1 - x.
double spence(double x) {
  if (!(x >= 0 && x < infinity)) return not_a_number;
  if (x == 0) return pi * pi / 6;
  if (x > 2) {
    const double logarithm = std::log(x);
    return -logarithm * logarithm / 2 - spence(1 / x);
  }
  const auto near = [](double w) { return -w * chebyshev(dilogarithm, w, -0.5, 0.5); };  // of x = 1 + w
  if (x > 1.5) {
    const double logarithm = std::log(x);
    return -logarithm * logarithm / 2 - near(1 / x - 1);
  }
  if (x < 0.5) return pi * pi / 6 - std::log(x) * std::log1p(-x) - near(-x);
  return near(x - 1);
}

double log_gamma(double x) {
#if defined(__GLIBC__)
  int sign;  // lgamma itself writes a global
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

// Euler's continued fraction of the incomplete beta function, by Lentz.
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away = [](double v) { return std::fabs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m < 20000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const double factor = d * c;
    h *= factor;
    if (std::fabs(factor - 1) < 1e-16) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1) || a == infinity || b == infinity) return not_a_number;
  if (x == 0 || x == 1) return x;
  const double front = std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

template <typename T, auto function>
int one(int64_t n, void* d, const void* a, const void*, const void*) {
  T* to = static_cast<T*>(d);
  const T* from = static_cast<const T*>(a);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(function(static_cast<double>(from[i])));
  return 0;
}

template <typename T>
int three(int64_t n, void* d, const void* a, const void* b, const void* c) {
  T* to = static_cast<T*>(d);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b), *z = static_cast<const T*>(c);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(incomplete_beta(x[i], y[i], z[i]));
  return 0;
}

template <typename T>
StepFunction floating(TileOp op) {
  switch (op) {
    case TileOp::bessel_j0:
      return one<T, [](double x) { return bessel_j(x, false); }>;
    case TileOp::bessel_j1:
      return one<T, [](double x) { return bessel_j(x, true); }>;
    case TileOp::bessel_y0:
      return one<T, [](double x) { return bessel_y(x, false); }>;
    case TileOp::bessel_y1:
      return one<T, [](double x) { return bessel_y(x, true); }>;
    case TileOp::bessel_k0:
      return one<T, [](double x) { return bessel_k(x, false, false); }>;
    case TileOp::bessel_k1:
      return one<T, [](double x) { return bessel_k(x, true, false); }>;
    case TileOp::bessel_k0e:
      return one<T, [](double x) { return bessel_k(x, false, true); }>;
    case TileOp::bessel_k1e:
      return one<T, [](double x) { return bessel_k(x, true, true); }>;
    case TileOp::dawsn:
      return one<T, dawson>;
    case TileOp::expint:
      return one<T, exponential_integral>;
    case TileOp::fresnel_cos:
      return one<T, [](double x) { return fresnel(x, false); }>;
    case TileOp::fresnel_sin:
      return one<T, [](double x) { return fresnel(x, true); }>;
    case TileOp::spence:
      return one<T, spence>;
    case TileOp::betainc:
      return three<T>;
    default:
      return nullptr;
  }
}

}  // namespace

StepFunction rare_step(TileOp op, DType type) {
  return type == DType::float32 ? floating<float>(op) : type == DType::float64 ? floating<double>(op) : nullptr;
}

}  // namespace millstream
