using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.ExceptionServices;
using DataLayer.TestSupport.Posix;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>All checks, by name: <c>Class.Method</c>, with the arguments where it has any.</summary>
internal static class PosixSuite
{
    private static readonly SortedDictionary<string, Check> _checks = Find();
    private static int _next;

    /// <summary>The names of all checks.</summary>
    internal static IReadOnlyCollection<string> Names => _checks.Keys;

    /// <summary>The names of those that write and verify in two phases.</summary>
    internal static IEnumerable<string> TwoPhaseNames =>
        _checks.Where(check => check.Value.Method.ReturnType == typeof(Action)).Select(check => check.Key);

    /// <summary>Runs a check in a new folder at a place; with two phases, both.</summary>
    internal static void Run(string name, string place) => PosixThread.Run(() => Write(name, place)?.Invoke());

    /// <summary>Runs the first phase of all checks that have two; each name leads to its second phase, or to what it threw.</summary>
    internal static IReadOnlyDictionary<string, Action> WriteAll(string place)
    {
        ConcurrentDictionary<string, Action> verify = new(StringComparer.Ordinal);
        foreach (var name in TwoPhaseNames)
        {
            try
            {
                PosixThread.Run(() =>
                {
                    var second = Write(name, place)!;
                    verify[name] = () => PosixThread.Run(second);
                });
            }
            catch (Exception e)
            {
                verify[name] = () => ExceptionDispatchInfo.Throw(e);
            }
        }

        return verify;
    }

    private static Action? Write(string name, string place)
    {
        var check = _checks[name];
        var checks = (PosixChecks)Activator.CreateInstance(check.Method.DeclaringType!, nonPublic: true)!;
        checks.Folder = $"{place}/{Interlocked.Increment(ref _next).ToString(CultureInfo.InvariantCulture)}";
        PosixChecks.Ok(Sys.Mkdir(checks.Folder, PosixChecks.Oct(755)));
        try
        {
            return (Action?)check.Method.Invoke(checks, check.Arguments);
        }
        catch (TargetInvocationException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerException!);
            throw;
        }
    }

    private static SortedDictionary<string, Check> Find()
    {
        SortedDictionary<string, Check> checks = new(StringComparer.Ordinal);
        foreach (var type in typeof(PosixSuite).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(PosixChecks))))
        {
            foreach (var method in type.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly))
            {
                foreach (var check in method.GetCustomAttributes<PosixCheckAttribute>())
                {
                    var arguments = check.Arguments.Length == 0 ? "" : $"({string.Join(", ", check.Arguments)})";
                    checks.Add($"{type.Name}.{method.Name}{arguments}", new Check(method, check.Arguments));
                }
            }
        }

        return checks;
    }

    private sealed record Check(MethodInfo Method, object[] Arguments);
}
