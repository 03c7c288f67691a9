// Carries the precompiled headers of the test suites.
