/* The functions of CUDA, cuBLAS and cuDNN that must do more than return 0, so that NVIDIA's libraries load and their parsers run.
 * Nothing is computed. uffparser/stubs.py compiles this with a function that returns 0 for every other name that is wanted.
 * One function a line, so that it can see which there are. */
#include <stdlib.h>
#include <string.h>

#define DONE return 0

static int made(void** object) { *object = calloc(1, 4096); return *object ? 0 : 1; }

int cudaGetDeviceCount(int* count) { *count = 1; DONE; }
int cudaGetDevice(int* device) { *device = 0; DONE; }
int cudaRuntimeGetVersion(int* version) { *version = 10010; DONE; }
int cudaMalloc(void** memory, size_t bytes) { *memory = malloc(bytes + 1); DONE; }
int cudaFree(void* memory) { free(memory); DONE; }
int cudaMemcpy(void* to, const void* from, size_t bytes, int kind) { memcpy(to, from, bytes); DONE; }
int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, void* stream) { memcpy(to, from, bytes); DONE; }
int cudaMemGetInfo(size_t* available, size_t* total) { *available = *total = (size_t)8 << 30; DONE; }
int cudaStreamCreate(void** stream) { return made(stream); }
int cudaEventCreateWithFlags(void** event, unsigned flags) { return made(event); }
const char* cudaGetErrorString(int error) { return "no CUDA here"; }
void** __cudaRegisterFatBinary(void* code) { static void* handle[8]; return handle; }
/* A GPU of compute capability 7.5; the offsets are those of cudaDeviceProp in CUDA 10. */
#define LONG_AT(offset, value) *(size_t*)(properties + (offset)) = (value)
#define INT_AT(offset, value) *(int*)(properties + (offset)) = (value)
static void memory(char* properties) { LONG_AT(288, (size_t)8 << 30); LONG_AT(296, 49152); LONG_AT(312, 2147483647); LONG_AT(352, 65536); }
static void threads(char* properties) { INT_AT(304, 65536); INT_AT(308, 32); INT_AT(320, 1024); INT_AT(324, 1024); INT_AT(328, 1024); INT_AT(332, 64); }
static void grid(char* properties) { INT_AT(336, 2147483647); INT_AT(340, 65535); INT_AT(344, 65535); INT_AT(348, 1377000); }
static void kind(char* properties) { INT_AT(360, 7); INT_AT(364, 5); INT_AT(388, 8); strcpy(properties, "no GPU, a stub"); }
int cudaGetDeviceProperties(char* p, int device) { memset(p, 0, 712); memory(p); threads(p); grid(p); kind(p); DONE; }

int cublasCreate_v2(void** handle) { return made(handle); }
int cublasGetVersion_v2(void* handle, int* version) { *version = 10201; DONE; }

int cudnnCreate(void** handle) { return made(handle); }
size_t cudnnGetVersion(void) { return 7605; }
const char* cudnnGetErrorString(int status) { return "no cuDNN here"; }
int cudnnCreateActivationDescriptor(void** it) { return made(it); }
int cudnnCreateConvolutionDescriptor(void** it) { return made(it); }
int cudnnCreateDropoutDescriptor(void** it) { return made(it); }
int cudnnCreateFilterDescriptor(void** it) { return made(it); }
int cudnnCreateLRNDescriptor(void** it) { return made(it); }
int cudnnCreateOpTensorDescriptor(void** it) { return made(it); }
int cudnnCreatePoolingDescriptor(void** it) { return made(it); }
int cudnnCreateRNNDescriptor(void** it) { return made(it); }
int cudnnCreateTensorDescriptor(void** it) { return made(it); }
