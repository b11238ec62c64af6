using System.Runtime.CompilerServices;
using System.Text;
using DataLayer.TestSupport.Posix;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>
/// What the checks of the POSIX suite share. Each check gets an empty folder of its own, root's, mode 0755, on the file system under
/// test, and runs on a thread with umask 022. It must close what it opened.
/// </summary>
internal abstract class PosixChecks
{
    /// <summary>A user without rights.</summary>
    protected const int Alice = 4001;

    /// <summary>Another user without rights.</summary>
    protected const int Bob = 4002;

    /// <summary>A group that either may be in.</summary>
    protected const int Team = 4100;

    /// <summary>The check's own folder.</summary>
    internal string Folder { get; set; } = "";

    /// <summary>Asserts that a call succeeded, and returns its value.</summary>
    internal static long Ok(long result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        Assert.True(result >= 0, $"{call}: {(Errno)(-result)}");
        return result;
    }

    /// <summary>Asserts that a call failed with an error.</summary>
    internal static void Fails(Errno wanted, long result, [CallerArgumentExpression(nameof(result))] string call = "") =>
        Assert.True(result == -(long)wanted, $"{call}: {(result < 0 ? (Errno)(-result) : $"succeeded with {result}")} instead of {wanted}");

    /// <summary>A mode as people write it: octal digits.</summary>
    internal static int Oct(int digits) => digits == 0 ? 0 : (Oct(digits / 10) * 8) + (digits % 10);

    /// <summary>Bytes that tell where they belong and who wrote them; none is zero.</summary>
    internal static byte[] Pattern(int seed, int length, long offset = 0)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            var at = (ulong)(offset + i);
            var mixed = ((at >> 3) + ((ulong)seed << 40)) * 0x9E3779B97F4A7C15;
            bytes[i] = (byte)((mixed >> (int)(8 * (at & 7))) | 1);
        }

        return bytes;
    }

    /// <summary>The path of a name in the check's folder.</summary>
    protected string P(string name) => $"{Folder}/{name}";

    /// <summary>Opens a file.</summary>
    protected PosixFile Open(string name, int flags = OpenFlags.ReadWrite, int mode = 438) =>
        new((int)Ok(Sys.Open(P(name), flags, mode), $"open {name}"));

    /// <summary>Makes a file with a content and leaves it open for reading and writing.</summary>
    protected PosixFile Make(string name, string content = "")
    {
        var file = Open(name, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive, Oct(644));
        file.Write(content, 0);
        return file;
    }

    /// <summary>Makes a file with a content.</summary>
    protected void Put(string name, string content = "")
    {
        using var file = Make(name, content);
        file.Close();
    }

    /// <summary>Makes a file with a content.</summary>
    protected void Put(string name, ReadOnlySpan<byte> content)
    {
        using var file = Make(name);
        file.Write(content, 0);
        file.Close();
    }

    /// <summary>Makes a file with a mode and an owner.</summary>
    protected void PutAs(string name, int mode, int user, int group, string content = "")
    {
        Put(name, content);
        Ok(Sys.ChangeOwner(P(name), user, group));
        Ok(Sys.ChangeMode(P(name), Oct(mode)));
    }

    /// <summary>Makes a folder.</summary>
    protected void Mkdir(string name, int mode = 755) => Ok(Sys.Mkdir(P(name), Oct(mode)));

    /// <summary>Makes a folder with a mode and an owner.</summary>
    protected void MkdirAs(string name, int mode, int user, int group)
    {
        Mkdir(name);
        Ok(Sys.ChangeOwner(P(name), user, group));
        Ok(Sys.ChangeMode(P(name), Oct(mode)));
    }

    /// <summary>The status of a name; of the link itself where it is one.</summary>
    protected FileStatus Stat(string name)
    {
        Ok(Sys.Stat(P(name), out var status), $"stat {name}");
        return status;
    }

    /// <summary>Whether a name is there.</summary>
    protected bool Exists(string name) => Sys.Stat(P(name), out _) == 0;

    /// <summary>A file's whole content.</summary>
    protected byte[] Bytes(string name)
    {
        using var file = Open(name, OpenFlags.ReadOnly);
        return file.Read((int)file.Size, 0);
    }

    /// <summary>A file's whole content as text.</summary>
    protected string Text(string name) => Encoding.UTF8.GetString(Bytes(name));

    /// <summary>A file's content must be these bytes; says where it differs.</summary>
    protected void Holds(string name, ReadOnlySpan<byte> wanted)
    {
        var found = Bytes(name);
        Assert.Equal(wanted.Length, found.Length);
        var common = found.AsSpan().CommonPrefixLength(wanted);
        Assert.True(common == wanted.Length, $"{name} differs at {common}");
    }

    /// <summary>The names in a folder, without . and .., in the order they come.</summary>
    protected List<string> Names(string name = ".")
    {
        using var folder = Open(name, OpenFlags.ReadOnly | OpenFlags.Directory);
        List<string> names = [];
        while (Sys.ReadFolder(folder.Number, out _) is { } entries)
        {
            names.AddRange(entries.Select(entry => entry.Name).Where(entry => entry is not "." and not ".."));
        }

        return names;
    }

    /// <summary>Runs as a user without rights, in a group of the same number and perhaps in others.</summary>
    protected static void As(int user, Action action, params int[] groups) => PosixThread.RunAs(user, user, groups, action);

    /// <summary>Returns when the clock that file times come from has moved on (it ticks every few milliseconds).</summary>
    protected void NextTick()
    {
        Put(".clock");
        var before = Stat(".clock").Changed;
        SpinWait.SpinUntil(() =>
        {
            Ok(Sys.ChangeMode(P(".clock"), Oct(600)));
            return Stat(".clock").Changed > before;
        });
        Ok(Sys.Unlink(P(".clock")));
    }
}
