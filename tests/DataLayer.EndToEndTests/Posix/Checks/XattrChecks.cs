using System.Text;
using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>Extended attributes and their limits.</summary>
internal sealed class XattrChecks : PosixChecks
{
    [PosixCheck]
    public Action A_value_is_kept()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.name", "value"u8));
        return () => Assert.Equal("value", Get("f", "user.name"));
    }

    [PosixCheck]
    public Action An_empty_value_is_a_value()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.empty", []));
        return () =>
        {
            Assert.Equal("", Get("f", "user.empty"));
            Assert.Equal(["user.empty"], List("f"));
        };
    }

    [PosixCheck]
    public void A_value_may_hold_any_bytes()
    {
        Put("f");
        var bytes = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        Ok(Sys.SetXattr(P("f"), "user.bytes", bytes));
        var found = new byte[256];
        Assert.Equal(256, Ok(Sys.GetXattr(P("f"), "user.bytes", found)));
        Assert.Equal(bytes, found);
    }

    [PosixCheck]
    public void A_value_is_replaced()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.a", "first and long"u8));
        Ok(Sys.SetXattr(P("f"), "user.a", "second"u8));
        Assert.Equal("second", Get("f", "user.a"));
    }

    [PosixCheck]
    public void Create_of_a_name_that_is_there_is_EEXIST()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8, XattrFlags.Create));
        Fails(EEXIST, Sys.SetXattr(P("f"), "user.a", "2"u8, XattrFlags.Create));
        Assert.Equal("1", Get("f", "user.a"));
    }

    [PosixCheck]
    public void Replace_of_a_name_that_is_not_there_is_ENODATA()
    {
        Put("f");
        Fails(ENODATA, Sys.SetXattr(P("f"), "user.a", "1"u8, XattrFlags.Replace));
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        Ok(Sys.SetXattr(P("f"), "user.a", "2"u8, XattrFlags.Replace));
        Assert.Equal("2", Get("f", "user.a"));
    }

    [PosixCheck]
    public void A_name_that_is_not_there_is_ENODATA()
    {
        Put("f");
        Fails(ENODATA, Sys.GetXattr(P("f"), "user.none", new byte[8]));
        Fails(ENODATA, Sys.RemoveXattr(P("f"), "user.none"));
    }

    [PosixCheck]
    public Action A_removed_value_is_gone()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        Ok(Sys.SetXattr(P("f"), "user.b", "2"u8));
        Ok(Sys.RemoveXattr(P("f"), "user.a"));
        return () => Assert.Equal(["user.b"], List("f"));
    }

    [PosixCheck]
    public void A_short_buffer_is_ERANGE_and_none_tells_the_length()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.a", "value"u8));
        Fails(ERANGE, Sys.GetXattr(P("f"), "user.a", new byte[3]));
        Assert.Equal(5, Ok(Sys.GetXattr(P("f"), "user.a", [])));
        Fails(ERANGE, Sys.ListXattrs(P("f"), new byte[3]));
        Assert.Equal(7, Ok(Sys.ListXattrs(P("f"), [])));
    }

    [PosixCheck]
    public Action A_list_names_them_all()
    {
        Put("f");
        for (var i = 0; i < 30; i++)
        {
            Ok(Sys.SetXattr(P("f"), $"user.n{i}", Encoding.UTF8.GetBytes($"{i}")));
        }

        return () =>
        {
            Assert.Equal(Enumerable.Range(0, 30).Select(i => $"user.n{i}").Order(StringComparer.Ordinal), List("f").Order(StringComparer.Ordinal));
            Assert.Equal("29", Get("f", "user.n29"));
        };
    }

    [PosixCheck]
    public void A_file_without_any_lists_none()
    {
        Put("f");
        Assert.Empty(List("f"));
    }

    [PosixCheck]
    public void A_name_of_255_bytes_is_taken()
    {
        Put("f");
        var name = "user." + new string('n', 250);
        Ok(Sys.SetXattr(P("f"), name, "1"u8));
        Assert.Equal("1", Get("f", name));
    }

    [PosixCheck]
    public void A_longer_name_is_ERANGE()
    {
        Put("f");
        Fails(ERANGE, Sys.SetXattr(P("f"), "user." + new string('n', 251), "1"u8));
    }

    [PosixCheck]
    public void An_empty_name_after_the_namespace_is_EINVAL()
    {
        Put("f");
        Fails(EINVAL, Sys.SetXattr(P("f"), "user.", "1"u8));
    }

    [PosixCheck]
    public void A_namespace_that_does_not_exist_is_EOPNOTSUPP()
    {
        Put("f");
        Fails(EOPNOTSUPP, Sys.SetXattr(P("f"), "other.name", "1"u8));
        Fails(EOPNOTSUPP, Sys.SetXattr(P("f"), "noname", "1"u8));
    }

    [PosixCheck(1000)]
    [PosixCheck(3000)]
    public Action A_value_of_so_many_bytes_is_kept(int length)
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.big", Pattern(1, length)));
        return () =>
        {
            var found = new byte[length];
            Assert.Equal(length, Ok(Sys.GetXattr(P("f"), "user.big", found)));
            Assert.Equal(Pattern(1, length), found);
        };
    }

    [PosixCheck]
    public void A_value_longer_than_64_KiB_is_refused()
    {
        Put("f");
        var result = Sys.SetXattr(P("f"), "user.big", new byte[65537]);
        Assert.Equal(-7, result);
    }

    [PosixCheck]
    public Action A_folder_has_values_too()
    {
        Mkdir("d");
        Ok(Sys.SetXattr(P("d"), "user.a", "1"u8));
        return () => Assert.Equal("1", Get("d", "user.a"));
    }

    [PosixCheck]
    public void User_values_of_links_and_fifos_are_EPERM()
    {
        Ok(Sys.Symlink("none", P("l")));
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        Fails(EPERM, Sys.SetLinkXattr(P("l"), "user.a", "1"u8));
        Fails(EPERM, Sys.SetXattr(P("p"), "user.a", "1"u8));
    }

    [PosixCheck]
    public Action Trusted_values_are_for_root()
    {
        PutAs("f", 666, Alice, Alice);
        Ok(Sys.SetXattr(P("f"), "trusted.a", "1"u8));
        As(Alice, () => Fails(EPERM, Sys.SetXattr(P("f"), "trusted.b", "1"u8)));
        As(Alice, () => Fails(ENODATA, Sys.GetXattr(P("f"), "trusted.a", new byte[8])));
        return () => Assert.Equal("1", Get("f", "trusted.a"));
    }

    [PosixCheck]
    public void Security_values_are_kept()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "security.test", "1"u8));
        Assert.Equal("1", Get("f", "security.test"));
    }

    [PosixCheck]
    public void A_user_needs_the_right_to_write()
    {
        PutAs("f", 644, Alice, Alice);
        As(Bob, () => Fails(EACCES, Sys.SetXattr(P("f"), "user.a", "1"u8)));
        As(Alice, () => Ok(Sys.SetXattr(P("f"), "user.a", "1"u8)));
        As(Bob, () => Assert.Equal(1, Ok(Sys.GetXattr(P("f"), "user.a", new byte[8]))));
        As(Bob, () => Fails(EACCES, Sys.RemoveXattr(P("f"), "user.a")));
    }

    [PosixCheck]
    public void A_user_needs_the_right_to_read()
    {
        PutAs("f", 600, Alice, Alice);
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        As(Bob, () => Fails(EACCES, Sys.GetXattr(P("f"), "user.a", new byte[8])));
    }

    [PosixCheck]
    public void A_descriptor_reaches_them()
    {
        using var file = Make("f");
        Ok(Sys.SetXattr(file.Number, "user.a", "1"u8));
        Assert.Equal("1", Get("f", "user.a"));
        Ok(Sys.RemoveXattr(file.Number, "user.a"));
        Assert.Empty(List("f"));
    }

    [PosixCheck]
    public Action They_go_with_a_rename_and_are_one_for_all_links()
    {
        Put("f");
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        Ok(Sys.Link(P("f"), P("l")));
        Ok(Sys.Rename(P("f"), P("g")));
        Ok(Sys.SetXattr(P("l"), "user.b", "2"u8));
        return () => Assert.Equal("2", Get("g", "user.b"));
    }

    [PosixCheck]
    public void They_are_kept_through_writes_and_truncates()
    {
        Put("f", "text");
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        Open("f", OpenFlags.WriteOnly | OpenFlags.Truncate).Close();
        using var file = Open("f");
        file.Write(Pattern(1, 200_000), 0);
        Assert.Equal("1", Get("f", "user.a"));
    }

    [PosixCheck]
    public void A_change_moves_the_change_time_and_not_the_modify_time()
    {
        Put("f");
        var before = Stat("f");
        NextTick();
        Ok(Sys.SetXattr(P("f"), "user.a", "1"u8));
        Assert.Equal(before.Modified, Stat("f").Modified);
        Assert.True(Stat("f").Changed > before.Changed);
    }

    [PosixCheck]
    public void What_is_not_there_is_ENOENT()
    {
        Fails(ENOENT, Sys.SetXattr(P("none"), "user.a", "1"u8));
        Fails(ENOENT, Sys.GetXattr(P("none"), "user.a", new byte[8]));
        Fails(ENOENT, Sys.ListXattrs(P("none"), new byte[8]));
    }

    private string Get(string file, string name)
    {
        var value = new byte[4096];
        return Encoding.UTF8.GetString(value, 0, (int)Ok(Sys.GetXattr(P(file), name, value), name));
    }

    private string[] List(string file)
    {
        var buffer = new byte[65536];
        return Encoding.UTF8.GetString(buffer, 0, (int)Ok(Sys.ListXattrs(P(file), buffer))).Split('\0', StringSplitOptions.RemoveEmptyEntries);
    }
}
