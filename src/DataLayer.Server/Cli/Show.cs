using System.Globalization;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>How values look on the command line.</summary>
internal static class Show
{
    /// <summary>A table without rules, as columns of text.</summary>
    public static Table Columns(params string[] headers)
    {
        Table table = new() { Border = TableBorder.None };
        foreach (string header in headers)
        {
            bool isNumber = header.StartsWith('#');
            TableColumn column = new(new Text(isNumber ? header[1..] : header)) { NoWrap = true };
            table.AddColumn(isNumber ? column.RightAligned() : column);
        }

        return table;
    }

    /// <summary>Adds a row of plain text: nothing in it is markup.</summary>
    public static void Row(this Table table, params string[] cells) =>
        table.AddRow([.. cells.Select(c => new Text(c))]);

    /// <summary>A name and a value a line.</summary>
    public static void Properties(IAnsiConsole console, IEnumerable<(string Name, string? Value)> properties)
    {
        Grid grid = new();
        grid.AddColumn(new GridColumn { NoWrap = true });
        grid.AddColumn(new GridColumn());
        foreach ((string name, string? value) in properties)
        {
            if (!string.IsNullOrEmpty(value))
            {
                grid.AddRow(new Text(name), new Text(value));
            }
        }

        console.Write(grid);
    }

    /// <summary>Bytes with a unit.</summary>
    public static string Size(long bytes) => ByteSize.Format(bytes);

    /// <summary>A count with thousands apart.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Seconds.</summary>
    public static string Seconds(double seconds) => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";

    /// <summary>A time stamp in UTC.</summary>
    public static string Time(long nanoseconds) =>
        nanoseconds == 0
            ? "-"
            : DateTimeOffset
                .FromUnixTimeMilliseconds(nanoseconds / 1_000_000)
                .ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Kind and permission bits as ls shows them: <c>-rw-r--r--</c>.</summary>
    public static string Mode(FileStatus status)
    {
        char[] text = "-rwxrwxrwx".ToCharArray();
        text[0] = status.Kind switch
        {
            FileKind.Directory => 'd',
            FileKind.SymbolicLink => 'l',
            FileKind.Fifo => 'p',
            FileKind.Socket => 's',
            FileKind.CharacterDevice => 'c',
            FileKind.BlockDevice => 'b',
            _ => '-',
        };
        for (int bit = 0; bit < 9; bit++)
        {
            if ((status.Mode & (1 << (8 - bit))) == 0)
            {
                text[bit + 1] = '-';
            }
        }

        return new string(text);
    }

    /// <summary>A part of a whole.</summary>
    public static string Share(long part, long whole) =>
        whole == 0 ? "-" : (100.0 * part / whole).ToString("0.0", CultureInfo.InvariantCulture) + " %";
}
