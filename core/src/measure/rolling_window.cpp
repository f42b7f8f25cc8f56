#include <resilience/measure/rolling_window.hpp>

namespace resilience::inline v1 {

template class BasicRollingWindow<StandardAtomics>;

}  // namespace resilience::inline v1
