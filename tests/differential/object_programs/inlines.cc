/* SPDX-License-Identifier: Apache-2.0 */
#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace ns
{
struct A {
    int v;
    template <class T> __attribute__((noinline)) int go(T t)
    {
        std::vector<T> x;
        for (int i = 0; i < v; i++)
            x.push_back(t + i);
        std::sort(x.begin(), x.end());
        return (int)x.size();
    }
};

namespace
{
__attribute__((noinline)) int hidden(const std::string &s)
{
    std::map<std::string, int> m;
    m[s + "x"] = 3;
    return m[s];
}
} // namespace
} // namespace ns

int main(int argc, char **argv)
{
    ns::A a{argc};
    return a.go(1) + a.go(2.0) + ns::hidden(argv[0]) + [](int k) { return k * 2; }(argc);
}
