// Runs one kernel of the reader's, (const half* x, half* y, int count, float number), on a GPU or, compiled by g++, on the CPU.
//
//   run_kernel IN OUT SECONDS        compiled with -DSOURCE="a file" -DKERNEL=its_name, by helpers/kernel.py
//
// IN: seven int32 (count, threads in a block, elements, guard, shift, in place) and a float, then the elements, 16 bits each. OUT:
// a line that says how it ended, and after "ok" the elements of y between `guard` others on each side. Those, and y before the
// kernel runs, are kUnwritten, by which the caller knows what the kernel wrote. `shift` moves x and y by elements from an address
// that is a multiple of 256. On the CPU x ends at a page that may not be touched, so that reading behind it is noticed.
#include "cuda_half_on_cpu.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include SOURCE

namespace {

constexpr uint16_t kUnwritten = 0x7e5a;  // a NaN that no arithmetic makes

struct Order {
    int32_t count, threads, elements, guard, shift, in_place;
    float number;
};

int out = -1;

void finish(const char* text, int status) {
    size_t length = 0;
    while (text[length]) ++length;
    if (write(out, text, length) < 0) status = 2;
    _exit(status);
}

#if defined(__CUDACC__)
void check(cudaError_t error) {
    if (!error) return;
    static char text[300];
    std::snprintf(text, sizeof text, "cuda %d %s\n", int(error), cudaGetErrorString(error));
    finish(text, 1);
}

std::vector<uint16_t> compute(const Order& order, const std::vector<uint16_t>& x) {
    const size_t size = 128 + order.guard + order.elements + order.guard;
    const size_t first = (128 + order.guard) / 128 * 128 + order.shift;  // 128 elements are 256 bytes
    std::vector<uint16_t> host(size + 128, kUnwritten);
    uint16_t *source, *target;
    check(cudaMalloc(&source, 2 * host.size()));
    check(cudaMalloc(&target, 2 * host.size()));
    check(cudaMemcpy(target, host.data(), 2 * host.size(), cudaMemcpyHostToDevice));
    check(cudaMemcpy(source + first, x.data(), 2 * x.size(), cudaMemcpyHostToDevice));
    if (order.in_place) check(cudaMemcpy(target + first, x.data(), 2 * x.size(), cudaMemcpyHostToDevice));
    const uint16_t* from = order.in_place ? target : source;
    const int blocks = (order.count + order.threads - 1) / order.threads;
    KERNEL<<<blocks, order.threads>>>(reinterpret_cast<const half*>(from + first), reinterpret_cast<half*>(target + first),
                                      order.count, order.number);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
    check(cudaMemcpy(host.data(), target, 2 * host.size(), cudaMemcpyDeviceToHost));
    const size_t start = first - order.guard;
    return std::vector<uint16_t>(host.begin() + start, host.begin() + start + x.size() + 2 * order.guard);
}

#else
// The thread that runs is in blockIdx and threadIdx, so a handler can name it.
void stopped(int signal) {
    static char text[100];
    const char* kind = signal == SIGPROF ? "endless" : signal == SIGSEGV || signal == SIGBUS ? "outside" : "trap";
    std::snprintf(text, sizeof text, "%s %u %u\n", kind, blockIdx.x, threadIdx.x);
    finish(text, 1);
}

void watch(int seconds) {
    static char stack[64 << 10];
    stack_t other = {};
    other.ss_sp = stack;
    other.ss_size = sizeof stack;
    sigaltstack(&other, nullptr);
    struct sigaction action = {};
    action.sa_handler = stopped;
    action.sa_flags = SA_ONSTACK;
    for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGPROF}) sigaction(signal, &action, nullptr);
    const itimerval limit = {{0, 0}, {seconds, 0}};  // of the processor's time: on a loaded machine a right kernel waits, too
    setitimer(ITIMER_PROF, &limit, nullptr);
}

std::vector<uint16_t> compute(const Order& order, const std::vector<uint16_t>& x) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = 2 * x.size();
    const size_t room = (bytes + 512 + page - 1) / page * page;
    char* memory = static_cast<char*>(mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED || mprotect(memory + room, page, PROT_NONE)) finish("no memory\n", 1);
    half* source = reinterpret_cast<half*>(memory + room - bytes - 2 * order.shift);
    std::memcpy(static_cast<void*>(source), x.data(), bytes);
    const size_t first = (order.guard + 127) / 128 * 128 + order.shift;
    std::vector<uint16_t> target(first + x.size() + order.guard + 128, kUnwritten);
    const size_t aligned = (256 - reinterpret_cast<uintptr_t>(target.data()) % 256) / 2 % 128;
    uint16_t* y = target.data() + aligned + first;
    if (order.in_place) std::memcpy(y, x.data(), bytes);
    half* const result = reinterpret_cast<half*>(y);
    start(KERNEL, (order.count + order.threads - 1) / order.threads, order.threads, 0, nullptr,
          order.in_place ? const_cast<const half*>(result) : source, result, order.count, order.number);
    return std::vector<uint16_t>(y - order.guard, y + x.size() + order.guard);
}
#endif

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) return 2;
    out = open(arguments[2], O_CREAT | O_TRUNC | O_WRONLY, 0644);
    FILE* in = std::fopen(arguments[1], "rb");
    Order order;
    if (out < 0 || !in || std::fread(&order, sizeof order, 1, in) != 1) return 2;
    const bool possible = order.count >= 0 && order.count <= 1 << 30 && order.threads >= 1 && order.threads <= 1024 &&
                          order.elements >= 0 && order.elements <= 1 << 28 && order.guard >= 0 && order.guard <= 1 << 20 &&
                          order.shift >= 0 && order.shift <= 127;
    if (!possible) return 2;
    std::vector<uint16_t> x(static_cast<size_t>(order.elements));
    if (std::fread(x.data(), 2, x.size(), in) != x.size()) return 2;
    const rlimit limit = {64 << 20, 64 << 20};  // a loop that prints must not fill the disk
    setrlimit(RLIMIT_FSIZE, &limit);
#if !defined(__CUDACC__)
    watch(std::atoi(arguments[3]));
#endif
    const std::vector<uint16_t> y = compute(order, x);
    std::fflush(stdout);
    const ssize_t size = static_cast<ssize_t>(2 * y.size());
    if (write(out, "ok\n", 3) != 3 || write(out, y.data(), static_cast<size_t>(size)) != size) return 2;
    return 0;
}
