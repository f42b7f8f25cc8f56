#include "event_channel_body.hpp"

namespace resilience::inline v1 {

template class BasicEventChannel<StandardAtomics>;

}  // namespace resilience::inline v1
