#include <resilience/pipeline/any_pipeline.hpp>
#include <stdexcept>

namespace resilience::inline v1::detail {

void refuse_empty_pipeline() {
    throw std::logic_error("AnyPipeline: it is empty; give it a pipeline before it executes anything");
}
void refuse_unjudged_result() {
    throw std::logic_error(
        "AnyPipeline: the classifier of this pipeline was not told to judge what the function returns; name the type "
        "where the AnyPipeline is made: AnyPipeline{pipeline, judging<Response>}");
}

}  // namespace resilience::inline v1::detail
