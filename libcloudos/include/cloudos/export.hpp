#pragma once
/// Marks what the shared library exports; everything else has hidden visibility.
#define CLOUDOS_EXPORT __attribute__((visibility("default")))
