#pragma once
#include <doctest/doctest.h>

/// CAPTURE for a structured binding, which no lambda may capture, and CAPTURE is one.
#define CAPTURE_BOUND(name)           \
  const auto& bound_##name = (name);  \
  CAPTURE(bound_##name)
