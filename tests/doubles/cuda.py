"""A CUDA backend for `helpers.cuda` made of NumPy: memory at made-up addresses, work that waits for a synchronise.

What is asked of a stream happens at its `synchronize` and not before, as late as a GPU may be, so that a result read
too early is seen to be missing.
"""
import numpy as np

BACKEND = None


class Cuda:
    name = "double"

    def __init__(self, memory=1 << 30):
        global BACKEND
        BACKEND = self
        self.size, self.used, self.blocks, self.streams, self.next = memory, 0, {}, {}, 0x1000
        self.now, self.pinned, self.events = 0.0, 0, set()

    def _handle(self):
        self.next += 1 << 32
        return self.next

    def device(self):
        return {"name": "Double", "compute_capability": "7.2", "memory": self.size, "driver_cuda": "10.0"}

    def memory(self):
        return self.size - self.used, self.size

    def synchronize(self):
        for stream in list(self.streams):
            self.wait_stream(stream)

    def allocate(self, nbytes):
        if self.used + nbytes > self.size:
            raise RuntimeError("cudaMalloc failed: cudaErrorMemoryAllocation: out of memory")
        address = self._handle()
        self.blocks[address] = np.full(nbytes, 0xAB, np.uint8)
        self.used += nbytes
        return address

    def release(self, address):
        self.used -= len(self.blocks.pop(address))

    def view(self, address, shape, dtype=np.float32):
        return self.blocks[address][:int(np.prod(shape)) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)

    def allocate_pinned(self, nbytes):
        self.pinned += 1
        return self._handle(), np.zeros(nbytes, np.uint8)

    def release_pinned(self, address):
        self.pinned -= 1

    def enqueue(self, stream, work):
        self.streams[int(stream)].append(work)

    def _do(self, stream, work):
        if stream is None:
            work()
        else:
            self.enqueue(stream._value, work)

    def upload(self, address, array, stream):
        data = array.reshape(-1).view(np.uint8)
        self._do(stream, lambda: self.blocks[address].__setitem__(slice(len(data)), data))

    def download(self, array, address, stream):
        data = array.reshape(-1).view(np.uint8)
        self._do(stream, lambda: data.__setitem__(slice(None), self.blocks[address][:len(data)]))

    def make_stream(self):
        stream = self._handle()
        self.streams[stream] = []
        return stream

    def drop_stream(self, stream):
        del self.streams[stream]

    def stream_handle(self, stream):
        return stream

    def wait_stream(self, stream):
        work, self.streams[stream] = self.streams[stream], []
        for step in work:
            step()
            self.now += 0.25

    def make_event(self):
        return [None]

    def drop_event(self, event):
        pass

    def record(self, event, stream):
        self._do(stream, lambda: event.__setitem__(0, self.now))

    def wait_event(self, event):
        self.synchronize()

    def elapsed(self, start, end):
        return end[0] - start[0]

    def record_graph(self, stream, work):
        kept, self.streams[stream._value] = self.streams[stream._value], []
        work()
        recorded, self.streams[stream._value] = self.streams[stream._value], kept
        return recorded

    def launch_graph(self, graph, stream):
        self.streams[stream._value] += graph

    def drop_graph(self, graph):
        pass
