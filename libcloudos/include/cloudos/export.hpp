#pragma once
/// Marks what the shared library exports; everything else has hidden visibility.
#define CLOUDOS_EXPORT __attribute__((visibility("default")))
/// Keeps a member type of an exported class to the library.
#define CLOUDOS_LOCAL __attribute__((visibility("hidden")))
