// SPDX-License-Identifier: Apache-2.0

// What makes C++ stacks hard to walk: exceptions through many frames with destructors on the way, caught and thrown
// again; deep templates; virtual calls; the library's algorithms.
//
// Truth: everything runs below main and one of throws(), regexes(), sorts(), virtuals().
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline))

static volatile unsigned long sink;

struct guard {
    std::string name;
    explicit guard(int n) : name(40, char('a' + n % 26)) {}
    NOINLINE ~guard() { sink += name.size(); }
};

NOINLINE static int thrower(int n)
{
    guard g(n);
    if (n == 0)
        throw std::runtime_error("at the bottom");
    int r = thrower(n - 1);
    return r + int(g.name.size());
}

NOINLINE static void rethrower(int n)
{
    try {
        sink += thrower(n);
    } catch (const std::runtime_error &e) {
        sink += std::string(e.what()).size();
        throw;
    }
}

NOINLINE static void throws()
{
    for (int i = 0; i < 100; i++) {
        try {
            rethrower(20);
        } catch (const std::exception &e) {
            sink++;
        }
    }
}

NOINLINE static void regexes()
{
    static const std::regex word("(a+b|c*d)+e?(x|y)*");
    std::string text;
    for (int i = 0; i < 60; i++)
        text += i % 3 ? "aab" : "ccd";
    sink += std::regex_match(text, word);
}

NOINLINE static void sorts()
{
    std::vector<std::string> row;
    for (int i = 0; i < 2000; i++)
        row.push_back(std::to_string(i * 7919 % 2003));
    std::function<bool(const std::string &, const std::string &)> less = [](auto &a, auto &b) { return a < b; };
    std::sort(row.begin(), row.end(), less);
    std::map<std::string, int> m;
    for (auto &s : row)
        m[s]++;
    sink += m.size();
}

struct base {
    virtual long visit(int n) = 0;
    virtual ~base() = default;
};
struct left : base {
    std::unique_ptr<base> next;
    NOINLINE long visit(int n) override { return next ? next->visit(n + 1) * 2 : n; }
};
struct right : left {
    NOINLINE long visit(int n) override { return left::visit(n) + 1; }
};

NOINLINE static void virtuals()
{
    std::unique_ptr<left> top = std::make_unique<left>();
    left *at = top.get();
    for (int i = 0; i < 100; i++) {
        at->next = i % 2 ? std::unique_ptr<base>(new left) : std::unique_ptr<base>(new right);
        at = static_cast<left *>(at->next.get());
    }
    for (int i = 0; i < 100; i++)
        sink += (unsigned long)top->visit(0);
}

int main()
{
    std::printf("ready %d\n", int(getpid()));
    std::fflush(stdout);
    for (;;) {
        throws();
        regexes();
        sorts();
        virtuals();
    }
}
