using System.Globalization;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests;

/// <summary>The seed of random tests: fixed, so that a run can be repeated, unless <c>DATALAYER_TEST_SEED</c> gives another. Printed.</summary>
internal static class TestSeed
{
    /// <summary>The seed, also written to the test's output.</summary>
    internal static int Take(ITestOutputHelper output)
    {
        var text = Environment.GetEnvironmentVariable("DATALAYER_TEST_SEED");
        var seed = int.TryParse(text, CultureInfo.InvariantCulture, out var given) ? given : 20_261_122;
        output.WriteLine($"seed {seed} (DATALAYER_TEST_SEED)");
        return seed;
    }

    /// <summary>A count that an environment variable may raise for a longer run.</summary>
    internal static int Count(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var given) ? given : usual;
}
