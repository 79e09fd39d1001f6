// RTNeural as a peer of `harness race`: its layers of sizes known when they are compiled, step by step.
// The protocol is at the top of ../protocol.py; macros choose the backend.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "RTNeural/RTNeural.h"

using nlohmann::json;

struct Unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// One number after another, of a file in the format of safetensors.
using Array = std::vector<float>;

class Data {
public:
    explicit Data(const std::string& path)
    {
        std::ifstream file(path, std::ios::binary);
        std::uint64_t length = 0;
        file.read(reinterpret_cast<char*>(&length), sizeof length);
        std::string text(length, '\0');
        file.read(text.data(), static_cast<std::streamsize>(length));
        header = json::parse(text);
        bytes.assign(std::istreambuf_iterator<char>(file), {});
    }

    Array array(const char* name) const
    {
        const auto& offsets = header.at(name).at("data_offsets");
        const std::size_t start = offsets.at(0), end = offsets.at(1);
        if(end < start || end > bytes.size())
            throw std::runtime_error(std::string(name) + " is cut off");
        Array out((end - start) / sizeof(float));
        std::memcpy(out.data(), bytes.data() + start, end - start);
        return out;
    }

    /// Rows of `columns` numbers.
    std::vector<Array> matrix(const char* name, std::size_t columns) const
    {
        const auto flat = array(name);
        std::vector<Array> rows;
        for(auto at = flat.begin(); at != flat.end(); at += static_cast<std::ptrdiff_t>(columns))
            rows.emplace_back(at, at + static_cast<std::ptrdiff_t>(columns));
        return rows;
    }

private:
    json header;
    std::vector<char> bytes;
};

void write_y(const std::string& path, const Array& y, int steps, int units)
{
    const auto size = y.size() * sizeof(float);
    const json about = { { "dtype", "F32" }, { "shape", { 1, steps, units } }, { "data_offsets", { 0, size } } };
    const auto text = json { { "y", about } }.dump();
    const std::uint64_t length = text.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << text;
    file.write(reinterpret_cast<const char*>(y.data()), static_cast<std::streamsize>(size));
    if(!file.flush())
        throw std::runtime_error("the answer cannot be written");
}

/// Takes all steps of x once and writes the outputs.
using Run = std::function<void(const Array& x, Array& y)>;

template <int units>
Run layer(const Data& data)
{
    using Layer = RTNeural::LSTMLayerT<float, 1, units>;
    auto model = std::make_shared<RTNeural::ModelT<float, 1, units, Layer>>();
    auto& lstm = model->template get<0>();
    lstm.setWVals(data.matrix("kernel", 4 * units));
    lstm.setUVals(data.matrix("recurrent_kernel", 4 * units));
    lstm.setBVals(data.array("bias"));
    model->reset();
    return [model](const Array& x, Array& y) {
        auto* out = y.data();
        for(const auto& step : x) {
            model->forward(&step);
            std::memcpy(out, model->getOutputs(), units * sizeof(float));
            out += units;
        }
    };
}

Run build(const json& job, const Data& data)
{
    if(job.at("kind") != "stream")
        throw Unsupported("no " + job.at("kind").get<std::string>());
    const int rows = job.at("shape").at(0), inputs = job.at("shape").at(2), units = job.at("shape").at(3);
    if(rows != 1 || inputs != 1)
        throw Unsupported("compiled for one row of one input");
    switch(units) {
    case 8: return layer<8>(data);
    case 16: return layer<16>(data);
    case 20: return layer<20>(data);
    case 32: return layer<32>(data);
    case 40: return layer<40>(data);
    case 64: return layer<64>(data);
    default: throw Unsupported("not compiled for this number of units");
    }
}

int main()
{
    Run run;
    Array x, y;
    for(std::string line; std::getline(std::cin, line);) {
        if(line.rfind("go ", 0) == 0) {
            if(!run) {
                std::cout << json { { "failed", "nothing to run" } }.dump() << std::endl;
                continue;
            }
            const auto runs = std::stol(line.substr(3));
            const auto start = std::chrono::steady_clock::now();
            for(long i = 0; i < runs; ++i)
                run(x, y);
            const auto time = std::chrono::steady_clock::now() - start;
            std::cout << std::chrono::duration_cast<std::chrono::nanoseconds>(time).count() << std::endl;
            continue;
        }
        run = nullptr;
        json answer;
        try {
            const auto job = json::parse(line);
            const Data data(job.at("data"));
            run = build(job, data);
            x = data.array("x");
            const int steps = job.at("shape").at(1), units = job.at("shape").at(3);
            y.resize(static_cast<std::size_t>(steps) * static_cast<std::size_t>(units));
            run(x, y);
            write_y(job.at("answer"), y, steps, units);
            answer = { { "ready", RTNEURAL_VERSION } };
        } catch(const Unsupported& reason) {
            answer = { { "unsupported", reason.what() } };
        } catch(const std::exception& error) {
            answer = { { "failed", error.what() } };
        }
        std::cout << answer.dump() << std::endl;
    }
}
