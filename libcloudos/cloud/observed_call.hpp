#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cloud/observed.hpp"

/// What the wrappers of drivers do with each call.
namespace cloudos {

/// The durations of one verb of one driver, by how it ended.
struct VerbMeter {
  VerbMeter(Metrics& metrics, std::string_view driver, std::string_view verb)
      : ok(meter(metrics, driver, verb, "ok")), failed(meter(metrics, driver, verb, "failed")) {}
  static Histogram& meter(Metrics& metrics, std::string_view driver, std::string_view verb,
                          std::string_view outcome) {
    return metrics.histogram("cloudos_driver_call_seconds",
                             "Time of one call of a driver, by driver, verb and outcome.",
                             Buckets::seconds(),
                             {{"driver", std::string(driver)},
                              {"verb", std::string(verb)},
                              {"outcome", std::string(outcome)}});
  }
  Histogram& ok;
  Histogram& failed;
};

template <class T>
const Error* error_of(const Result<T>& result) {
  return result ? nullptr : &result.error();
}

/// Calls, measures and traces, also what throws. `id` is the thing's that the call is about, or empty.
template <class Call>
auto observed_call(const DriverWatch& watch, VerbMeter& meter, std::string_view driver,
                   std::string_view verb, std::string_view kind, const std::string& id,
                   const Call& call) {
  SpanScope span(&watch.tracer, fmt::format("{} {}", driver, verb));
  if (!id.empty()) span.attribute(fmt::format("{}.id", kind), id);
  const MonoTime began = watch.clock.mono();
  auto result = [&] {
    try {
      return call();
    } catch (...) {
      meter.failed.observe(watch.clock.mono() - began);
      span.failed("it threw");
      throw;
    }
  }();
  (result ? meter.ok : meter.failed).observe(watch.clock.mono() - began);
  if (!result) span.failed(result.error().message);
  return result;
}

}  // namespace cloudos
