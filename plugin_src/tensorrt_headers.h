// TensorRT's headers, and which version the plugin is compiled for: 806 is 8.6, 1003 is 10.3.
#pragma once

#include <NvInfer.h>

// A test may say that these headers are older than they are, to compile the older class.
#ifndef L2_TENSORRT
#define L2_TENSORRT (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR)
#endif

// TensorRT 8.5 deprecates every class that a UFF network can use, and there is no other.
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
